"""The CD in a VM's drive, changed while the VM runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import libvirt
from lxml import etree

from kvmkit.apply import acting
from kvmkit.errors import InvalidSpec, NotFound, WrongState
from kvmkit.host import Host
from kvmkit.vm.facts import domain, volumes
from kvmkit.vm.needs import no_cd
from kvmkit.vm.xml import parse

__all__ = ["eject_media", "insert_media"]

TRAY = "Tray of the device is not open"
TRAY_SECONDS = 10
"""How long a guest may keep closing the tray that libvirt has opened."""


def insert_media(host: Host, name: str, media: str) -> None:
    """Put an ISO into a VM's CD drive, also while the VM runs.

    Parameters
    ----------
    host, name
        Where, and which VM.
    media
        The ISO, by volume name or by path in an active storage pool.

    Raises
    ------
    NotFound
        There is no such VM; it has no CD drive; no pool has the ISO.
    WrongState
        Another CD is in the drive.
    LibvirtFailed
        libvirt's own words.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.insert_media(host, "demo", "rescue.iso")
    """
    path = _iso(host, media)
    drive = _drive(host, name)
    source = drive.find("source")
    if source is not None:
        raise WrongState(
            f"the CD drive of VM {name} on {host.uri} holds {source.get('file') or 'another CD'}: "
            f"kk.eject_media(host, {name!r}) first"
        )
    drive.insert(0, etree.Element("source", file=path))
    _change(host, name, drive, f"insert {path} into VM {name}")


def eject_media(host: Host, name: str) -> None:
    """Take the CD out of a VM's drive, also while the VM runs.

    Parameters
    ----------
    host, name
        Where, and which VM.

    Raises
    ------
    NotFound
        There is no such VM, or it has no CD drive.
    WrongState
        The drive is empty.
    LibvirtFailed
        libvirt's own words; a guest that uses the CD can lock the drive.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.insert_media(host, "demo", "rescue.iso")
    >>> kk.eject_media(host, "demo")
    """
    drive = _drive(host, name)
    source = drive.find("source")
    if source is None:
        raise WrongState(f"the CD drive of VM {name} on {host.uri} is empty already")
    drive.remove(source)
    _change(host, name, drive, f"eject the CD of VM {name}")


def _iso(host: Host, media: str) -> str:
    known = volumes(host)
    found = known[(known.index == media) | (known["path"] == media)]
    if len(found) > 1:
        raise InvalidSpec(
            {"media": f"{media!r}: several pools have it; give one path of: {', '.join(found['path'])}"}
        )
    if found.empty:
        isos = sorted(known.index[known.index.str.endswith(".iso")])
        raise NotFound(
            f"no volume {media[:80]!r} in a pool of {host.uri}; ISOs there: {', '.join(isos) or 'none'}. "
            "What was copied there just now is seen after `virsh pool-refresh POOL`"
        )
    if why := no_cd(found["format"].iloc[0]):
        raise InvalidSpec({"media": f"{media!r}: {why}"})
    return str(found["path"].iloc[0])


def _drive(host: Host, name: str) -> Any:
    with host.reading(f"look into the CD drive of VM {name}") as connection:
        xml = domain(host, connection, name).XMLDesc()
    drive = parse(xml).find("devices/disk[@device='cdrom']")
    if drive is None:
        raise NotFound(f"VM {name} on {host.uri} has no CD drive; VMs that kvmkit makes have one")
    source = drive.find("source")
    if source is not None and set(source.attrib) <= {"index"}:
        drive.remove(source)  # libvirt's number for QEMU's node, which stays after a CD was taken out
    return drive


def _change(host: Host, name: str, drive: Any, doing: str) -> None:
    with acting(host, doing) as connection:
        dom = domain(host, connection, name)
        if host.practice:
            # The test driver cannot update a device. The practice host keeps one definition a VM,
            # also of a running one, so that redefining it is the change.
            connection.defineXML(_replaced(dom, drive))
            return
        live = libvirt.VIR_DOMAIN_AFFECT_LIVE if dom.isActive() else 0
        kept = libvirt.VIR_DOMAIN_AFFECT_CONFIG if dom.isPersistent() else 0
        # What libvirt adds while the VM runs is not part of what is asked for.
        for added in drive.findall("backingStore") + drive.findall("alias"):
            drive.remove(added)
        _patiently(partial(dom.updateDeviceFlags, etree.tostring(drive, encoding="unicode"), live | kept))


def _patiently(change: Callable[[], object]) -> None:
    """Change a drive whose tray the guest may close in between: firmware does while it looks for a system."""
    deadline = time.monotonic() + TRAY_SECONDS
    while True:
        try:
            change()
        except libvirt.libvirtError as error:
            if TRAY not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _replaced(dom: libvirt.virDomain, drive: Any) -> str:
    xml = parse(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    old = xml.find("devices/disk[@device='cdrom']")
    old.getparent().replace(old, drive)
    return etree.tostring(xml, encoding="unicode")
