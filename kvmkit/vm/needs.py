"""What is on a host, as far as the spec of a VM speaks of it."""

from __future__ import annotations

import contextlib
import json
import posixpath
from collections.abc import Collection
from dataclasses import dataclass, field, replace

import libvirt

from kvmkit.errors import Unsupported
from kvmkit.host import Host
from kvmkit.vm.describe import log_path
from kvmkit.vm.spec import VMSpec
from kvmkit.vm.uses import read_uses
from kvmkit.vm.xml import parse

__all__ = ["Needs", "Pool", "Volume", "most_vcpus", "no_cd", "read_needs"]

_FILES = """
for bridge in /sys/class/net/*/bridge; do
    [ -d "$bridge" ] && bridge=${bridge%/bridge} && echo "bridge ${bridge##*/}"
done
for path in "$@"; do
    [ -f "$path" ] && echo "file $path"
    shift
    while path=${path%/*} && [ "$path" ]; do set -- "$@" "$path"; done
done
stat -c 'folder %a %U %G %n' / "$@" | sort -u
:
"""
"""Bridges, which of some files are there, and the rights of every folder above them; changes nothing.

The arguments are the files; as each is dealt with, the folders above it take its place. One process for
all of them: starting one takes longer than anything that it does.
"""


@dataclass(frozen=True)
class Pool:
    """An active storage pool; sizes in bytes."""

    type: str
    path: str
    capacity: int
    free: int


@dataclass(frozen=True)
class Volume:
    """A volume; `capacity` in bytes."""

    pool: str
    name: str
    path: str
    format: str
    capacity: int


@dataclass(frozen=True)
class Needs:
    """The facts that a spec is judged by."""

    memory_mib: int
    cpus: int
    vms: tuple[str, ...]
    pools: dict[str, Pool]
    networks: dict[str, bool]
    """Name to whether it is active."""
    bridges: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Those of the files that the spec speaks of that are there."""
    folders: tuple[str, ...] = ()
    """Mode, owner, group and path of every folder above them."""
    volumes: tuple[Volume, ...] = ()
    """Those that bear a name the spec speaks of, or the new disk's."""
    image_writers: tuple[str, ...] = ()
    """VMs that write to the spec's image."""
    image_strays: tuple[str, ...] = ()
    """Files below the spec's image that are in no active pool: any file of the host, if its maker wants."""
    vnc_ports: dict[int, str] = field(default_factory=dict)
    """Fixed VNC port to the VM that has it."""

    def closed_to(self, path: str, user: str, groups: Collection[str]) -> str:
        """Find the first folder above a file that a user may not enter; empty if there is none.

        QEMU gets the file itself from libvirt (dynamic ownership), but nobody opens the folders for it.
        """
        for mode, owner, group, folder in (line.split(" ", 3) for line in self.folders):
            digit = 0 if owner == user else 1 if group in groups else 2
            above = path.startswith(folder.rstrip("/") + "/")
            if above and not int(mode.zfill(3)[-3:][digit]) & 1:
                return folder
        return ""

    def find(self, wanted: str, pool: str) -> list[Volume]:
        """Find volumes by path, or by name: in `pool` if it is there, else in any."""
        if wanted.startswith("/"):
            return [v for v in self.volumes if v.path == wanted]
        named = [v for v in self.volumes if wanted and v.name == wanted]
        return [v for v in named if v.pool == pool] or named


def read_needs(host: Host, spec: VMSpec) -> Needs:
    """Read them: libvirt's part, and in one command what libvirt does not know."""
    with host.reading("read what a VM needs") as connection:
        info = connection.getInfo()
        pools, volumes = _storage(connection, spec)
        names = tuple(sorted(d.name() for d in connection.listAllDomains()))
        networks = {n.name(): bool(n.isActive()) for n in connection.listAllNetworks()}
        ports = _vnc_ports(connection) if spec.vnc_port != -1 else {}
        seen = Needs(info[1], info[2], names, pools, networks, volumes=volumes, vnc_ports=ports)
        images = [v.path for v in seen.find(spec.image, spec.pool)]
        writers: set[str] = set()
        strays: set[str] = set()
        if images:
            uses, folders = read_uses(host, connection, images), {pool.path for pool in pools.values()}
            writers = {name for image in images for name in uses.writers(image)}
            strays = {file for image in images for file in uses.strays(image, folders)}
    touched = [spec.kernel, spec.initrd, *images, *(v.path for v in seen.find(spec.cdrom, spec.pool))]
    touched.append(log_path(spec.name))
    if spec.pool in pools:
        touched.append(f"{pools[spec.pool].path}/{spec.name}")
    told = _ask(host, [path for path in touched if path.startswith("/")], spec.bridge)
    return replace(
        seen,
        image_writers=tuple(sorted(writers)),
        image_strays=tuple(sorted(strays)),
        bridges=told["bridge"],
        files=told["file"],
        folders=told["folder"],
    )


def most_vcpus(host: Host, xml: str) -> int:
    """Ask how many vCPUs a VM's machine type takes on a host."""
    vm = parse(xml)
    kind = vm.find("os/type")
    with host.reading("ask how many vCPUs a machine type takes") as connection:
        if host.practice:  # the test driver does not tell it by machine types
            return int(connection.getMaxVcpus(None))
        told = connection.getDomainCapabilities(
            None, kind.get("arch"), kind.get("machine"), vm.get("type"), 0
        )
    return int(parse(told).find("vcpu").get("max"))


def no_cd(form: str) -> str:
    """Say why a volume of that format is no CD; empty if it is one."""
    return "" if form in ("iso", "raw") else f"it is a disk image ({form}), which no guest reads as a CD"


def _storage(connection: libvirt.virConnect, spec: VMSpec) -> tuple[dict[str, Pool], tuple[Volume, ...]]:
    # Names are known without asking; only those that matter are asked for more.
    wanted = {posixpath.basename(path) for path in (spec.image, spec.cdrom)}
    wanted |= {spec.name, f"{spec.name}.qcow2"}
    pools, volumes = {}, []
    for pool in connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        xml = parse(pool.XMLDesc())
        _state, capacity, _allocation, free = pool.info()
        pools[pool.name()] = Pool(xml.get("type"), xml.findtext("target/path") or "", capacity, free)
        volumes += [_volume(pool.name(), v) for v in pool.listAllVolumes() if v.name() in wanted]
    return pools, tuple(volumes)


def _volume(pool: str, volume: libvirt.virStorageVol) -> Volume:
    xml = parse(volume.XMLDesc())
    form = xml.find("target/format")
    kind = "raw" if form is None else form.get("type")
    return Volume(pool, volume.name(), volume.path(), kind, int(xml.findtext("capacity")))


def _vnc_ports(connection: libvirt.virConnect) -> dict[int, str]:
    found = {}
    for domain in connection.listAllDomains():
        for screen in parse(domain.XMLDesc()).iterfind("devices/graphics"):
            if screen.get("autoport") != "yes" and (port := int(screen.get("port", "-1"))) > 0:
                found[port] = domain.name()
    return found


def _ask(host: Host, paths: list[str], bridge: str) -> dict[str, tuple[str, ...]]:
    kinds = ("bridge", "file", "folder")
    if host.practice:  # it has no files but its volumes
        return dict.fromkeys(kinds, ()) | {"bridge": _practice_bridges(host) if bridge else ()}
    told = [line.split(" ", 1) for line in host.run(["sh", "-c", _FILES, "sh", *paths]).stdout.splitlines()]
    return {kind: tuple(text for label, text in told if label == kind) for kind in kinds}


def _practice_bridges(host: Host) -> tuple[str, ...]:
    """Name the bridges of its network, which is made for who asks, in namespaces that /sys is not of."""
    with contextlib.suppress(Unsupported):
        told = host.networked().run(["ip", "-json", "link", "show", "type", "bridge"]).stdout
        return tuple(link["ifname"] for link in json.loads(told or "[]"))
    return ()
