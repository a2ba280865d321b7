"""Which files of its host the XML of a VM, or of its snapshot, names, and how."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kvmkit.vm.xml import parse

__all__ = ["Reference", "Resolve", "disk_files", "references", "state_files"]

Resolve = Callable[[str, str], str]
"""Gives the path of a volume, by pool and name; empty if nobody knows."""

PROSE = {"metadata", "description", "title"}
"""What says nothing about files: a clone carries its original's metadata."""
DISKS = {"disk", "mirror", "backingStore", "dataStore"}
"""What holds the source of a disk, or of a layer of one (https://libvirt.org/formatdomain.html)."""
NEVER_HERE = {"rbd", "sheepdog", "vxhs"}
"""Protocols of network disks behind which there is never a file of the host."""
IN_ARGUMENT = re.compile(r"""(?:^|[=:,"'])(/[^,"']*(?:,,[^,"']*)*)""")
"""A path within an argument of QEMU's own, where a comma in a name is doubled."""


@dataclass(frozen=True)
class Reference:
    """That somebody names a file.

    Attributes
    ----------
    user
        Who: ``VM web1``.
    path
        The file; empty where it cannot be told which.
    kind
        How it is opened: as a disk that is ``raw``, which leads no further; ``any``: wherever its header
        says; ``qcow2`` and the like, too, and it has to be one. ``file``: as something else than a disk.
    why
        Where `path` is empty: what cannot be told.
    writes
        Whether the user may write to it, and nobody else may with it.
    """

    user: str
    path: str
    kind: str = "file"
    why: str = ""
    writes: bool = False


def references(user: str, xml: str, resolve: Resolve) -> Iterator[Reference]:
    """List the files that a definition names: each path in it, whatever libvirt has it for."""
    for element in _worded(parse(xml)):
        holder = element.getparent()
        if element.tag == "source" and holder.tag in DISKS:
            yield from _source(user, element, holder, resolve)
        elif element.tag.endswith(("}arg", "}env")):
            value = element.get("value", "")
            for path in {value, *IN_ARGUMENT.findall(value)}:
                yield from _named(user, path.replace(",,", ","), "any")
                yield from _named(user, path, "any")
        else:
            for value in (element.text or "", *element.attrib.values()):
                yield from _named(user, value.strip(), "file")


def disk_files(xml: str, resolve: Resolve, *, written: bool = False) -> list[str]:
    """List the files and devices behind a VM's disks; `written`: only those that it may write to."""
    found = []
    for disk in parse(xml).iterfind("devices/disk"):
        source = disk.find("source")
        if source is None:
            continue
        path = _path(source, resolve)
        if path and not (written and not _writes(disk)):
            found.append(path)
    return found


def _writes(holder: Any) -> bool:
    if holder.tag != "disk":
        return bool(holder.tag == "mirror")
    read_only = holder.get("device") in ("cdrom", "floppy") or holder.find("readonly") is not None
    return not read_only and holder.find("shareable") is None


def state_files(xml: Any) -> dict[str, str]:
    """Give the files of UEFI variables (``nvram``) and TPM that a VM's parsed XML names."""
    nvram = (
        xml.xpath("string(os/nvram/source/@file | os/nvram/source/@dev)") or xml.findtext("os/nvram") or ""
    )
    found = {"nvram": nvram.strip(), "tpm": xml.xpath("string(devices/tpm/backend/source/@path)")}
    return {kind: str(path) for kind, path in found.items() if path}


def _worded(element: Any) -> Iterator[Any]:
    if not isinstance(element.tag, str) or element.tag in PROSE:
        return
    yield element
    for child in element:
        yield from _worded(child)


def _named(user: str, value: str, kind: str) -> Iterator[Reference]:
    if value.startswith("/"):
        yield Reference(user, value, kind)


def _path(source: Any, resolve: Resolve) -> str:
    path = source.get("file") or source.get("dev") or ""
    if not path and source.get("volume"):
        path = resolve(source.get("pool", ""), source.get("volume"))
    return str(path)


def _source(user: str, source: Any, holder: Any, resolve: Resolve) -> Iterator[Reference]:
    path, protocol = _path(source, resolve), source.get("protocol")
    if path.startswith("/"):
        yield Reference(user, path, _kind(holder), writes=_writes(holder))
    elif source.get("volume") or path:
        volume = f"volume {source.get('volume')} of pool {source.get('pool')}"
        yield Reference(
            user, "", why=f"{volume if source.get('volume') else path} is in no pool that tells where"
        )
    elif protocol and protocol not in NEVER_HERE:
        yield Reference(user, "", why=f"its disk is reached by {protocol}, and may be a file of this host")
    if holder.get("type") == "vhostuser":
        yield Reference(user, "", why="a disk of it is served by another process, from nobody knows where")
    if source.get("fdgroup"):
        yield Reference(user, "", why="a disk of it is given to QEMU as a file descriptor")


def _kind(holder: Any) -> str:
    """Tell by what format it is opened; libvirt keeps a disk's beside its source, and a layer's above it."""
    form = holder.find("driver" if holder.tag == "disk" else "format")
    return str("any" if form is None else form.get("type") or "any")
