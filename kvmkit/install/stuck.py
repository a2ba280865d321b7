"""A VM that QEMU has paused by itself, as what its guest wrote could not be kept."""

from __future__ import annotations

from typing import Any

import libvirt

from kvmkit.vm.xml import parse

__all__ = ["disk_trouble"]

PAUSED_BY_DISK = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR]


def disk_trouble(domain: libvirt.virDomain) -> str:
    """Say which disk a VM is paused for, why, and what to do; empty if it is not paused for a disk.

    QEMU does that where there is no room left, unless it was told otherwise (qemu(1), ``werror=enospc``):
    the guest writes again when it goes on, and has lost nothing.
    """
    if domain.state() != PAUSED_BY_DISK:
        return ""
    failed = domain.diskErrors()
    disks = [disk for disk in parse(domain.XMLDesc()).iterfind("devices/disk") if _name(disk) in failed]
    listed = ", ".join(f"{_name(disk)} ({disk.find('source').get('file') or 'no file'})" for disk in disks)
    if libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE in failed.values():
        return f"there is no room left where its disk {listed} is kept: make some, as kk.pools(host) shows"
    return f"its disk {listed} cannot be read or written: `journalctl -k` on the host says why"


def _name(disk: Any) -> str:
    return str(disk.find("target").get("dev"))
