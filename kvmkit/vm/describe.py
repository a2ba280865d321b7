"""virt-install describes the VM: its command line, and the XML that it prints for it.

It runs on this machine with ``--connect`` and ``--dry-run``.  Disks are given as
paths inside active pools only: for any other folder virt-install would quietly
make a pool on the host, dry run or not (virtinst/diskbackend.py, manage_path).
"""

from __future__ import annotations

import functools
import hashlib
import shlex
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from kvmkit.calls import HANGS
from kvmkit.commands import NOT_FOUND, Local
from kvmkit.errors import CommandTimeout, InvalidSpec, KvmkitError, Stuck
from kvmkit.host import Host
from kvmkit.practice import recorded_path
from kvmkit.vm.spec import VMSpec
from kvmkit.vm.xml import parse

__all__ = ["Described", "Disk", "describe", "known_systems", "log_files", "log_path"]

FALLBACK_OS = "linux2022"
"""What a guest is described as when virt-install recognises nothing: virtio devices, no surprises."""
PRACTICE_SYSTEMS = (
    *("almalinux9", "alpinelinux3.17", "centos-stream9", "debian11", "fedora37", "freebsd13.1"),
    *("linux2022", "opensuse15.4", "rhel9.1", "rocky9", "ubuntu22.04", "win10", "win11", "win2k22"),
)
"""Some of those that Debian 12 knows, so that the practice host offers the same on each machine."""
LOGS = "/var/log/libvirt/qemu"
"""Where virtlogd keeps what VMs print on their serial consoles."""


SECONDS = 120
"""In which virt-install has to come to its end."""


@dataclass(frozen=True)
class Disk:
    """The new disk: a volume that does not exist yet."""

    pool: str
    name: str
    path: str
    capacity: int
    """Bytes."""
    format: str
    """``qcow2``; ``device``: the pool's volumes are block devices, and have no format of their own."""
    backing: str = ""
    backing_format: str = ""


@dataclass(frozen=True)
class Described:
    """What virt-install says of a VM."""

    command: str
    xml: str
    generated: tuple[str, ...]
    """The UUID and the MAC addresses, made up just now."""
    logs: list[str]
    """As :func:`log_files`."""


def describe(host: Host, spec: VMSpec, disk: Disk | None, cdrom: str, domain_type: str) -> Described:
    """Run virt-install for a spec whose names have been looked up.

    `cdrom` is the path of the ISO, empty for an empty drive; `domain_type` is ``kvm`` or ``qemu``.

    Raises
    ------
    InvalidSpec
        In virt-install's own words.
    Stuck
        libvirt does not answer it.
    KvmkitError
        virt-install is not installed here.
    """
    argv = ["virt-install", "--connect", host.uri, *_arguments(host, spec, disk, cdrom, domain_type)]
    run = list(argv)
    if host.practice:
        run[2] = _virtinst_test_uri(host.practice.uri)
    printed = "1" if cdrom else "all"  # of an installation's two phases the first, with its CD
    try:
        result = Local("this machine").run([*run, "--print-xml", printed, "--dry-run"], "", SECONDS)
    except CommandTimeout:
        raise Stuck(
            f"libvirt on {host.uri} does not answer virt-install, which describes the VM: no end in "
            f"{SECONDS} s. {HANGS}"
        ) from None
    if result.exit_code == NOT_FOUND:
        raise KvmkitError(
            "virt-install is not on this machine: install virtinst (Debian) or virt-install (Fedora)"
        )
    if result.exit_code != 0:
        said = " ".join(result.stderr.replace("ERROR", "").split())
        field = "os" if "osinfo" in said or "OS name" in said else "spec"
        raise InvalidSpec({field: f"virt-install refuses: {said}"})
    if not result.stdout.startswith("<domain"):  # `--osinfo list` and its like print something else
        raise InvalidSpec({"os": f"{spec.os!r}: not a name from `virt-install --osinfo list`"})
    printed = _with_paths(result.stdout, {"disk": disk.path if disk else "", "cdrom": cdrom})
    xml, generated = _finish(printed, spec, practice=host.practice is not None)
    return Described(shlex.join(argv), xml, generated, log_files(xml))


def known_systems(host: Host) -> tuple[str, ...]:
    """Name the operating systems that virt-install knows on this machine; none if it cannot tell."""
    return PRACTICE_SYSTEMS if host.practice else _osinfo_list()


@functools.cache
def _osinfo_list() -> tuple[str, ...]:
    result = Local("this machine").run(["virt-install", "--osinfo", "list"], "", 60)
    # A line is one system: debian11, debianbullseye
    return tuple(result.stdout.replace(",", " ").split()) if result.exit_code == 0 else ()


def _arguments(host: Host, spec: VMSpec, disk: Disk | None, cdrom: str, domain_type: str) -> Iterable[str]:
    yield from ("--name", spec.name, "--memory", str(spec.memory_mib), "--vcpus", str(spec.vcpus))
    yield from ("--virt-type", domain_type)
    yield from ("--osinfo", f"detect=on,name={FALLBACK_OS}" if spec.os == "detect" else spec.os)
    if disk:
        options = {"path": disk.path, "size": f"{disk.capacity / 2**30:g}"}
        if disk.format != "device":
            options["format"] = disk.format
        if disk.backing:
            options |= {"backing_store": disk.backing, "backing_format": disk.backing_format}
        yield from ("--disk", _options(options))
    elif cdrom:
        yield from ("--disk", "none")  # left out, virt-install would think one up
    yield from ("--cdrom", cdrom) if cdrom else ("--import", "--disk", "device=cdrom")
    if spec.kernel:
        given = {"kernel": spec.kernel, "initrd": spec.initrd, "kernel_args": spec.kernel_args}
        yield from ("--boot", _options({key: value for key, value in given.items() if value}))
    if spec.firmware == "efi":
        yield from ("--boot", "uefi")
    if spec.bridge:
        yield from ("--network", _options({"bridge": spec.bridge}))
    else:
        yield from ("--network", _options({"network": spec.network}) if spec.network else "none")
    screen = {"port": str(spec.vnc_port)} if spec.graphics == "vnc" and spec.vnc_port != -1 else {}
    listen = {"listen": spec.vnc_listen} if spec.graphics != "none" else {}
    yield from ("--graphics", ",".join(filter(None, [spec.graphics, _options(screen | listen)])))
    if not (host.practice or host.is_session):
        yield from ("--serial", _options({"type": "pty", "log.file": log_path(spec.name)}))


def log_path(name: str) -> str:
    """Give the path of a VM's console log."""
    return f"{LOGS}/{name}-console.log"


def log_files(xml: str) -> list[str]:
    """Read where a VM's console log is kept, and then the older parts that virtlogd turns over to."""
    logs = [log.get("file") for log in parse(xml).iterfind("devices/serial/log")]
    return logs + [f"{log}.{number}" for log in logs for number in range(3)]  # virtlogd.conf, max_backups


def _options(options: dict[str, str]) -> str:
    # virt-install splits options as a shell would, at commas (virtinst/cli.py, parse_optstr_tuples):
    # unquoted, what follows a comma in a value would be the next option.
    return ",".join(f"{key}={_quoted(value)}" for key, value in options.items())


def _quoted(value: str) -> str:
    return "'" + value.replace("'", r"'\''") + "'" if set(value) & set(",'\"\\") else value


def _virtinst_test_uri(uri: str) -> str:
    """Have virt-install describe for a recorded KVM host, with the practice host's own pools.

    This interface is virtinst's own, for its tests (virtinst/uri.py, MagicURI); it is used
    nowhere else, and ``tests/practice/vm/test_describe.py`` notices should it change.
    """
    return (
        f"__virtinst_test__{uri},predictable,"
        f"caps={recorded_path('practice-capabilities.xml')},"
        f"domcaps={recorded_path('practice-domcapabilities.xml')},fakeuri=qemu:///system"
    )


def _with_paths(printed: str, paths: dict[str, str]) -> str:
    """Set the path of each kind of disk as it is: virt-install escapes those in a pool twice."""
    root = parse(printed)
    for disk in root.iterfind("devices/disk"):
        source = disk.find("source")
        if source is not None:
            source.set("dev" if source.get("dev") else "file", paths[disk.get("device")])
    return etree.tostring(root, encoding="unicode")


def _finish(printed: str, spec: VMSpec, *, practice: bool) -> tuple[str, tuple[str, ...]]:
    """Make the one definition that installs and then goes on; on the practice host, the same each time."""
    root = parse(printed)
    machine_id, macs = root.find("uuid"), root.findall("devices/interface/mac")
    if practice:
        machine_id.text = str(uuid.uuid5(uuid.NAMESPACE_DNS, spec.name))
        for place, mac in enumerate(macs):
            digits = hashlib.sha256(f"{spec.name} {place}".encode()).hexdigest()
            mac.set("address", f"52:54:00:{digits[:2]}:{digits[2:4]}:{digits[4:6]}")
    # The disk first, then the CD: an empty disk boots the installer, an installed one itself. So one
    # definition does what virt-install does in two phases, and nobody must wait to start the second.
    on_reboot = root.find("on_reboot")
    if on_reboot is not None:
        root.remove(on_reboot)
    if not spec.kernel:
        boot = root.find("os")
        for old in boot.findall("boot"):
            boot.remove(old)
        for device in ("hd", "cdrom"):
            etree.SubElement(boot, "boot", dev=device)
    generated = (machine_id.text, *(mac.get("address") for mac in macs))
    return etree.tostring(root, encoding="unicode"), generated
