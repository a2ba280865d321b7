"""What belongs to a VM: recorded in its definition, and who else uses its disks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import libvirt
from lxml import etree

from kvmkit.vm.xml import parse

__all__ = [
    "backing_files",
    "chain",
    "definition",
    "definitions",
    "disk_paths",
    "each_volume",
    "has_uefi_variables",
    "kept_of",
    "made_by",
    "mark",
    "owned_disks",
    "users_of",
]

NAMESPACE = "urn:kvmkit:vm:1"
VM = f"{{{NAMESPACE}}}vm"
DISK = f"{{{NAMESPACE}}}disk"


def mark(xml: str, token: str, disks: Iterable[str]) -> str:
    """Write into a definition which application of a plan made it, and which disks with it.

    libvirt keeps foreign elements in ``<metadata>`` as they are
    (https://libvirt.org/formatdomain.html#general-metadata).
    """
    root = parse(xml)
    metadata = root.find("metadata")
    if metadata is None:
        metadata = etree.Element("metadata")
        root.insert(list(root).index(root.find("name")) + 1, metadata)
    vm = etree.SubElement(metadata, VM, {"token": token}, nsmap={"kvmkit": NAMESPACE})
    for path in disks:
        etree.SubElement(vm, DISK).text = path
    return etree.tostring(root, encoding="unicode")


def made_by(xml: str) -> str:
    """Read the token of the application that made a VM; empty if kvmkit did not make it."""
    vm = parse(xml).find(f"metadata/{VM}")
    return "" if vm is None else vm.get("token", "")


def owned_disks(xml: str) -> set[str]:
    """Read which disks were made with a VM."""
    return {disk.text or "" for disk in parse(xml).iterfind(f"metadata/{VM}/{DISK}")}


def definition(domain: libvirt.virDomain) -> str:
    """Give a VM's persistent definition, without secrets (libvirt leaves them out unless asked)."""
    return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))


def kept_of(domain: libvirt.virDomain) -> dict[str, Any]:
    """Give all that libvirt keeps of a VM that is off, as a step keeps it; parents before their children."""
    snapshots = domain.listAllSnapshots(libvirt.VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL)
    checkpoints = domain.listAllCheckpoints(libvirt.VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL)
    kept = {
        "xml": definition(domain),
        "snapshots": [[snapshot.getXMLDesc(), bool(snapshot.isCurrent())] for snapshot in snapshots],
        "autostart": bool(domain.autostart()),
    }
    return kept | ({"checkpoints": [point.getXMLDesc() for point in checkpoints]} if checkpoints else {})


def definitions(connection: libvirt.virConnect, *, but: str = "") -> dict[str, str]:
    """Map each VM, `but` one, to its XML as it is now; volumes named by their pool have their path."""
    found = {d.name(): d.XMLDesc() for d in connection.listAllDomains() if d.name() != but}
    return {name: _with_paths(connection, xml) for name, xml in found.items()}


def _with_paths(connection: libvirt.virConnect, xml: str) -> str:
    root = parse(xml)
    for source in root.iterfind("devices/disk[@type='volume']/source"):
        with contextlib.suppress(libvirt.libvirtError):  # a pool that is not active shows no volume
            pool = connection.storagePoolLookupByName(source.get("pool"))
            source.set("file", pool.storageVolLookupByName(source.get("volume")).path())
    return etree.tostring(root, encoding="unicode")


def disk_paths(xml: str, *, written: bool = False) -> Iterator[str]:
    """List the files and devices behind a VM's disks; `written`: only those that it may write to."""
    for disk in parse(xml).iterfind("devices/disk"):
        source = disk.find("source")
        if source is None:
            continue
        read_only = disk.get("device") in ("cdrom", "floppy") or disk.find("readonly") is not None
        shared = disk.find("shareable") is not None
        path = source.get("file") or source.get("dev")
        if path and not (written and (read_only or shared)):
            yield path


def has_uefi_variables(xml: Any) -> bool:
    """Tell whether a VM has a file of UEFI variables, by its parsed XML."""
    return xml.find("os/nvram") is not None or xml.find("os").get("firmware") == "efi"


def backing_files(connection: libvirt.virConnect) -> dict[str, str]:
    """Map each volume that lies on top of an image to that image, over all active pools."""
    below = ((volume, parse(volume.XMLDesc())) for _, volume in each_volume(connection))
    return {volume.path(): path for volume, xml in below if (path := xml.findtext("backingStore/path"))}


def each_volume(connection: libvirt.virConnect) -> Iterator[tuple[str, libvirt.virStorageVol]]:
    """Give the volumes of all active pools, each with the name of its pool."""
    for pool in connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        yield from ((pool.name(), volume) for volume in pool.listAllVolumes())


def users_of(path: str, definitions: Mapping[str, str], backing: Mapping[str, str]) -> list[str]:
    """Name the VMs and volumes that need a file, directly or anywhere in a backing chain.

    Parameters
    ----------
    path
        The file.
    definitions
        VM name to its XML: the VMs that count.
    backing
        From :func:`backing_files`.
    """
    above = {top for top in backing if path in chain(top, backing)}
    users = [f"VM {name}" for name, xml in definitions.items() if {path, *above} & _needed(xml)]
    return sorted(users) + [f"volume {top}" for top in sorted(above)]


def chain(top: str, backing: Mapping[str, str]) -> set[str]:
    """Name all files below one, by what :func:`backing_files` tells."""
    below: set[str] = set()
    while top in backing and backing[top] not in below:
        top = backing[top]
        below.add(top)
    return below


def _needed(xml: str) -> set[str]:
    # A running VM's XML lists its chain itself, for images that are in no pool.
    sources = parse(xml).iterfind("devices/disk//source")
    return {path for source in sources if (path := source.get("file") or source.get("dev"))}
