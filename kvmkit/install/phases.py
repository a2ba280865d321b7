"""The two definitions of a VM that is installed: one that runs the installer, one that boots what it left."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from lxml import etree

from kvmkit.vm.xml import parse

__all__ = ["architecture", "ends_with_reboot", "with_cd", "with_kernel"]


def architecture(xml: str) -> str:
    """Read what a VM is, in Linux's own words."""
    return str(parse(xml).find("os/type").get("arch"))


def with_kernel(xml: str, kernel: str, initrd: str, arguments: str) -> str:
    """Have a VM boot a kernel, whatever is on its disk."""
    root = parse(xml)
    boot = root.find("os")
    for place, (tag, text) in enumerate((("kernel", kernel), ("initrd", initrd), ("cmdline", arguments)), 1):
        element = etree.Element(tag)
        element.text = text
        boot.insert(place, element)
    return _text(root)


def ends_with_reboot(xml: str) -> str:
    """Have a VM stop where it would restart: an installer's reboot is its end."""
    root = parse(xml)
    for old in root.findall("on_reboot"):
        root.remove(old)
    element = etree.Element("on_reboot")
    element.text = "destroy"
    root.insert(list(root).index(root.find("devices")), element)
    return _text(root)


def with_cd(xml: str, path: str) -> str:
    """Put a CD into a VM's drive, or into a second one if there is one in it already."""
    root = parse(xml)
    devices = root.find("devices")
    drive = devices.find("disk[@device='cdrom']")
    if drive.find("source") is not None:
        second = deepcopy(drive)
        second.remove(second.find("source"))
        for told in ("address", "boot"):  # libvirt finds a place for it
            for element in second.findall(told):
                second.remove(element)
        second.find("target").set("dev", _free_name(devices, drive.find("target").get("dev")))
        drive.addnext(second)
        drive = second
    drive.insert(0, etree.Element("source", file=path))
    drive.set("type", "file")
    return _text(root)


def _free_name(devices: Any, taken: str) -> str:
    names = {target.get("dev") for target in devices.iterfind("disk/target")}
    return next(name for letter in "abcdefghij" if (name := f"{taken[:-1]}{letter}") not in names)


def _text(root: Any) -> str:
    etree.indent(root)  # it is shown
    return etree.tostring(root, encoding="unicode")
