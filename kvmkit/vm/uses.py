"""Who else needs a disk: as libvirt knows, and as the host tells of disks that libvirt does not look into."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import libvirt

from kvmkit.errors import CommandFailed
from kvmkit.host import Host
from kvmkit.vm.ownership import backing_files, definitions, each_volume, users_of
from kvmkit.vm.xml import parse

__all__ = ["Uses", "read_uses"]

LOOK = ("env", "LC_ALL=C", "qemu-img", "info", "--force-share", "--backing-chain", "--output=json")


@dataclass(frozen=True)
class Uses:
    """The VMs of a host, and which file lies on which."""

    definitions: dict[str, str]
    backing: dict[str, str]
    """A file to the one below it, or to the one that it is a symbolic link to."""
    real: dict[str, str]
    """The paths that were asked for, where there are symbolic links on the way."""
    unread: tuple[str, ...]
    """VMs that may need any file, as nobody can tell what their disks lie on."""

    def of(self, path: str) -> list[str]:
        """Name the VMs and volumes that need a file."""
        names = {path, self.real.get(path, path)}
        users = {user for name in names for user in users_of(name, self.definitions, self.backing)}
        return [*sorted(users), *self.unread]


def read_uses(host: Host, connection: libvirt.virConnect, paths: Collection[str], *, but: str = "") -> Uses:
    """Read who, but the VM `but`, needs which of these paths.

    Of volumes libvirt tells what they lie on, and of the disks of VMs that run. Of other disks qemu-img does,
    for what somebody made outside of the pools, or in them since libvirt last looked.
    """
    others, backing = definitions(connection, but=but), backing_files(connection)
    listed = {volume.path() for _, volume in each_volume(connection)}
    odd = [] if host.practice else [(n, *disk) for n, xml in others.items() for disk in _odd(xml, listed)]
    found: list[tuple[str, str]] = []
    unread = []
    for name, path, kind in odd:
        try:
            found += _chain(host, path, kind)
        except CommandFailed as error:
            # A disk that is gone is nobody's need; 127: there is no qemu-img.
            if error.exit_code == 127 or "No such file or directory" not in error.stderr:
                why = error.stderr.strip().removeprefix("qemu-img: ") or error
                unread.append(f"VM {name} perhaps (what its disk lies on cannot be told: {why})")
    named = {*paths, *(path for _, path, _ in odd), *(path for pair in found for path in pair)}
    real = _real(host, sorted(named)) if odd else {}
    links = {path: target for path, target in real.items() if target != path}
    backing |= links | {real[top]: below for top, below in found}
    return Uses(others, backing, links, tuple(unread))


def _odd(xml: str, listed: Collection[str]) -> Iterator[tuple[str, str]]:
    """Give path and format of a VM's disks that are no volumes."""
    for disk in parse(xml).xpath("devices/disk[not(@device) or @device='disk' or @device='lun']"):
        path = disk.xpath("string(source/@file | source/@dev)")
        if path and path not in listed:
            yield path, disk.xpath("string(driver/@type)") or "raw"


def _chain(host: Host, path: str, kind: str) -> list[tuple[str, str]]:
    """Give each image of a disk with the one below it; a raw one has none, whatever its guest wrote there."""
    if kind == "raw":
        return []
    images = json.loads(host.run([*LOOK, "-f", kind, path]).stdout)
    return [(i["filename"], i["full-backing-filename"]) for i in images if "full-backing-filename" in i]


def _real(host: Host, paths: list[str]) -> dict[str, str]:
    """Follow symbolic links."""
    told = host.run(["realpath", "--canonicalize-missing", "--zero", "--", *paths]).stdout
    return dict(zip(paths, told.rstrip("\0").split("\0"), strict=True))
