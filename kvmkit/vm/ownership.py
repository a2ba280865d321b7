"""What belongs to a VM, as its definition records it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import libvirt
from lxml import etree

from kvmkit.libvirts import can
from kvmkit.vm.xml import parse

__all__ = ["definition", "has_uefi_variables", "kept_of", "made_by", "mark", "owned_disks"]

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
    checkpoints = []
    if can(domain.connect(), "checkpoints"):
        checkpoints = domain.listAllCheckpoints(libvirt.VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL)
    kept = {
        "xml": definition(domain),
        "snapshots": [[snapshot.getXMLDesc(), bool(snapshot.isCurrent())] for snapshot in snapshots],
        "autostart": bool(domain.autostart()),
    }
    return kept | ({"checkpoints": [point.getXMLDesc() for point in checkpoints]} if checkpoints else {})


def has_uefi_variables(xml: Any) -> bool:
    """Tell whether a VM has a file of UEFI variables, by its parsed XML."""
    return xml.find("os/nvram") is not None or xml.find("os").get("firmware") == "efi"
