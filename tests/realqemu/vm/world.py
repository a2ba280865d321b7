"""A real host as the tests see it: its VMs and its files, to compare before and after."""

import contextlib
import functools
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import libvirt
from lxml import etree

import kvmkit as kk
from tests.lab.lab import Lab
from tests.lab.waiting import wait_until

IMAGES = "/var/lib/libvirt/images"
CONSOLES = "/var/log/libvirt/qemu"
CONSOLE = "console=tty0 console=ttyS0"
READY = "kvmkit guest ready"
BOOT = 180
"""Seconds in which an emulated guest boots. On a machine with thirty processes at work 90 were too few."""
PROMPT = " # "
"""On a console's log, the guest's shell that asks for a command."""
ASKS = "[/~] #"
"""The same as a pattern for what a terminal shows: busybox 1.35 puts `/` before it, 1.37 `~`."""

FOLDERS = ("/var/lib/libvirt", "/var/log/libvirt", "/etc/libvirt")
LIBVIRTS_OWN = re.compile(
    # What libvirt itself writes about the VMs that it has run, and its DHCP server about their leases.
    r"/var/log/libvirt/(qemu/[^/]*(?<!-console)|[^/]*)\.log$|/etc/libvirt/qemu/autostart$|/var/lib/libvirt/dnsmasq/"
)
VM = """<domain type='qemu'>
  <name>{name}</name><memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>{devices}</devices>
</domain>"""
VOLUME = """<volume>
  <name>{name}</name><capacity unit='GiB'>{gib}</capacity><allocation>0</allocation>
  <target><format type='qcow2'/></target>{backing}
</volume>"""
BACKING = "<backingStore><path>{path}</path><format type='qcow2'/></backingStore>"
DISK = """<disk type='file' device='disk'>
  <driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='vd{letter}' bus='virtio'/>
</disk>"""
RUNTIME = re.compile(r"/domain-\d+-")
"""In the name of a folder that libvirt makes for a running QEMU: sockets and a key, new for each start."""


class World:
    """The lab and kvmkit's host of it."""

    def __init__(self, lab: Lab, host: kk.Host) -> None:
        self.lab = lab
        self.host = host

    def pools(self) -> list[str]:
        with self.host.reading("list the pools") as connection:
            return sorted(pool.XMLDesc().split("<capacity")[0] for pool in connection.listAllStoragePools())

    def state(self) -> dict[str, str]:
        """Give all that a VM can leave on a host: definitions, volumes, and files byte for byte."""
        with self.host.reading("look at everything") as connection:
            domains = dict(item for domain in connection.listAllDomains() for item in _domain(domain))
            volumes = {
                f"volume {pool.name()} {volume.name()}": str(volume.info()[:2])
                for pool in connection.listAllStoragePools()
                for volume in pool.listAllVolumes()
            }
        return domains | volumes | dict(item for folder in FOLDERS for item in self._files(folder))

    def volume(self, name: str, backing: str = "", gib: int = 1) -> str:
        """Make a volume in the default pool, as others than kvmkit would; its path."""
        below = BACKING.format(path=backing) if backing else ""
        with self.host.changing(f"make {name}") as connection:
            pool = connection.storagePoolLookupByName("default")
            return str(pool.createXML(VOLUME.format(name=escape(name), gib=gib, backing=below)).path())

    def define(self, name: str, *disks: str, more: str = "") -> None:
        """Define a VM with these disks, as others than kvmkit would."""
        listed = "".join(DISK.format(path=path, letter="abc"[n]) for n, path in enumerate(disks))
        with self.host.changing(f"define {name}") as connection:
            connection.defineXML(VM.format(name=name, devices=listed + more))

    def file(self, path: str) -> Path:
        return self.lab.path(path)

    def linux(self, **fields: object) -> kk.VMSpec:
        """Ask for a VM that boots the lab's kernel and talks on its console."""
        boot = {"kernel": self.lab.kernel, "initrd": self.lab.initrd, "kernel_args": CONSOLE}
        return kk.VMSpec(**{"name": "linux", "memory_mib": 256, "disk_gib": 1} | boot | fields)

    def xml(self, name: str, *, kept: bool = False) -> Any:
        """Parse the XML of a VM as it is, or as it is kept for its next start."""
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE if kept else 0
        with self.host.reading(f"look at {name}") as connection:
            return etree.fromstring(connection.lookupByName(name).XMLDesc(flags))

    def wait_for(self, name: str, words: str, times: int = 1) -> str:
        """Wait until a VM has printed `words` on its console, and return all that it printed."""

        log = self.file(f"{CONSOLES}/{name}-console.log")

        def said() -> str:
            return log.read_text(encoding="utf-8", errors="replace")

        wait_until(
            lambda: said().count(words) >= times,
            f"{words!r} on the console of {name}, {times} times",
            BOOT,
            saw=lambda: said()[-2000:],
        )
        return kk.console_log(self.host, name)

    @contextlib.contextmanager
    def hanging_libvirtd(self) -> Iterator[Callable[[], None]]:
        """Give a function after which libvirtd does nothing, until the end of this context."""
        number = self.file("/run/libvirtd.pid").read_text().strip()

        def hang() -> None:
            self.lab.run(["kill", "-STOP", number])

        try:
            yield hang
        finally:
            self.lab.run(["kill", "-CONT", number])

    def _files(self, folder: str) -> Iterator[tuple[str, str]]:
        top = str(self.lab.path("/"))
        for parent, folders, files in os.walk(self.lab.path(folder)):
            for path in (Path(parent, name) for name in (*folders, *files)):
                name = "/" + str(path)[len(top) :].lstrip("/")
                if RUNTIME.search(name):
                    yield RUNTIME.sub("/domain-N-", name), "there"
                elif not LIBVIRTS_OWN.search(name):
                    yield name, _content(path)


def _domain(domain: libvirt.virDomain) -> Iterator[tuple[str, str]]:
    name = f"VM {domain.name()}"
    yield name, domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    yield f"{name} state", f"active {domain.isActive()}, autostart {domain.autostart()}"
    yield f"{name} saved", str(domain.hasManagedSaveImage())
    for snapshot in domain.listAllSnapshots():
        xml = snapshot.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE)
        yield f"{name} snapshot {snapshot.getName()}", f"current {snapshot.isCurrent()}: {xml}"


def _content(path: Path) -> str:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        return stat.filemode(mode)
    return _digest(path, path.stat().st_ino, path.stat().st_size, path.stat().st_ctime_ns)


@functools.cache
def _digest(path: Path, *_identity: int) -> str:
    """Read a file; once, as its content cannot change without its ctime (inode(7))."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
