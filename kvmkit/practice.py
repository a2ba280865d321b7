"""The practice host: libvirt's test driver, with a memory.

The test driver keeps its VMs in one process and forgets them with it.  So
after each change the whole host is written to one file, in the format that
the driver itself reads (``test:///FILE``), and read back by whoever connects
next: what one runbook makes, the next one sees.

VMs, pools, volumes and networks are the test driver's own; only what a
machine *is* (its processor, packages, settings) is recorded, from the files
in ``kvmkit/data``.  The network that it has is a sandbox of the kernel's,
which lasts as long as the process does.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import libvirt
from filelock import FileLock, Timeout
from lxml import etree

from kvmkit.errors import Busy
from kvmkit.sandbox import Sandbox
from kvmkit.state import own_folder, state_folder, write_whole

__all__ = ["Practice", "end_sandbox", "fresh_practice_host", "recorded"]

LOCKED = 30
"""Seconds that another process may take for its change."""
_TEST = "http://libvirt.org/schemas/domain/test/1.0"


def recorded(name: str) -> str:
    """Read the text of one recorded file of the practice host."""
    return files("kvmkit").joinpath("data", name).read_text(encoding="utf-8")


def recorded_path(name: str) -> Path:
    """Find one recorded file, for programs that read it themselves."""
    return Path(str(files("kvmkit").joinpath("data", name)))


def fresh_practice_host() -> None:
    """Forget what was made on the practice host: it is as on the first day.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.fresh_practice_host()
    >>> list(kk.vms(kk.connect("test:///default")).index)
    ['demo']
    """
    end_sandbox()
    shutil.rmtree(state_folder() / "practice", ignore_errors=True)
    shutil.rmtree(state_folder() / "journal" / "test%3A%2F%2F%2Fdefault", ignore_errors=True)


_sandboxes: list[Sandbox] = []
"""The one that this process has, if any."""


def end_sandbox() -> None:
    """End the network that this process has, if any."""
    while _sandboxes:
        _sandboxes.pop().end()


class Practice:
    """The practice host's state in a folder, and this process's connection to it."""

    def __init__(self) -> None:
        self._connection: libvirt.virConnect | None = None
        self._loaded: tuple[str, int, int] | None = None
        self._loading = threading.Lock()

    @property
    def file(self) -> Path:
        """The state, in the format of ``test:///FILE``; made on first use."""
        path = own_folder(state_folder() / "practice") / "host.xml"
        if not path.exists():
            write_whole(path, recorded("practice-host.xml").encode())
        return path

    @property
    def uri(self) -> str:
        """What libvirt's driver reads it by; what is no letter of a URI in a folder's name is quoted."""
        return f"test://{quote(str(self.file))}"

    def sandbox(self) -> Sandbox:
        """Give the network that it has, made on first use.

        Raises
        ------
        Unsupported
            The machine allows none.
        """
        if not (_sandboxes and _sandboxes[0].stands):
            end_sandbox()
            _sandboxes.append(Sandbox())
        return _sandboxes[0]

    def connection(self) -> libvirt.virConnect:
        """Give the connection, loaded again if another process has changed the host since."""
        with self._loading:  # a thread that looks on must not have another one's change lost
            stat = self.file.stat()
            # Each change makes a new file: two within one tick of the clock differ in the inode.
            seen = (str(self.file), stat.st_mtime_ns, stat.st_ino)
            if self._connection is None or self._loaded != seen:
                self._connection = libvirt.open(self.uri)
                self._loaded = seen
                find = {
                    "domain": self._connection.lookupByName,
                    "network": self._connection.networkLookupByName,
                    "pool": self._connection.storagePoolLookupByName,
                }
                for mark in etree.parse(self.file).iterfind("autostart"):
                    for kind, name in mark.items():
                        find[kind](name).setAutostart(1)
            return self._connection

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Keep what is changed meanwhile; one process at a time."""
        with _alone(self.file.with_name("lock")):  # held for one libvirt call at a time
            connection = self.connection()
            try:
                yield
            finally:  # also after an error: what did change, changed
                write_whole(self.file, _dump(connection))
                with self._loading:
                    self._connection = None


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one process at a time change the practice host."""
    try:
        held = FileLock(lock).acquire(timeout=LOCKED)
    except Timeout:
        raise Busy(
            f"the practice host has been held for {LOCKED} s by another process, which hangs: end that one, "
            "perhaps the kernel of a notebook that is stopped, and try again"
        ) from None
    with held:
        yield


def _dump(connection: libvirt.virConnect) -> bytes:
    """Describe the whole host as the test driver reads it."""
    node = etree.fromstring(recorded("practice-host.xml"))
    for tag in ("network", "pool", "domain", "autostart"):
        for element in node.findall(tag):
            node.remove(element)
    # libvirt lists in no order: sorted, the same host is the same file.
    for network in _by_name(connection.listAllNetworks()):
        node.append(etree.fromstring(network.XMLDesc()))
        _mark_autostart(node, "network", network)
    for pool in _by_name(connection.listAllStoragePools()):
        element = etree.fromstring(pool.XMLDesc())
        # A pool that was just defined shows no volumes yet.
        volumes = _by_name(pool.listAllVolumes()) if pool.isActive() else []
        element.extend(etree.fromstring(volume.XMLDesc()) for volume in volumes)
        node.append(element)
        _mark_autostart(node, "pool", pool)
    for domain in _by_name(connection.listAllDomains()):
        node.append(_dump_domain(domain))
        _mark_autostart(node, "domain", domain)
    return bytes(etree.tostring(node, pretty_print=True))


def _mark_autostart(node: etree._Element, kind: str, thing: Any) -> None:
    # The driver's format has no word for it.
    if thing.autostart():
        etree.SubElement(node, "autostart", {kind: thing.name()})


def _by_name(things: Iterable[Any]) -> list[Any]:
    return sorted(things, key=lambda thing: thing.name())


def _dump_domain(domain: libvirt.virDomain) -> etree._Element:
    # INACTIVE: one definition a VM. Redefining a running VM is how its CD is changed here,
    # as the test driver cannot update a device.
    element = etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    etree.SubElement(element, f"{{{_TEST}}}runstate", nsmap={"test": _TEST}).text = str(domain.state()[0])
    if domain.hasManagedSaveImage():
        etree.SubElement(element, f"{{{_TEST}}}hasmanagedsave", nsmap={"test": _TEST})
    for snapshot in sorted(domain.listAllSnapshots(), key=lambda s: s.getName()):
        # The driver reads each snapshot in its namespace, and whether it is the current one.
        kept = etree.SubElement(element, f"{{{_TEST}}}domainsnapshot", nsmap={"test": _TEST})
        kept.extend(etree.fromstring(snapshot.getXMLDesc()))
        etree.SubElement(kept, "active").text = str(snapshot.isCurrent())
    return element
