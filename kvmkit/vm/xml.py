"""Parse libvirt's XML."""

from __future__ import annotations

from typing import Any

from lxml import etree

__all__ = ["parse"]


def parse(xml: str) -> Any:
    """Parse what libvirt or virt-install printed.

    The element is untyped on purpose: what libvirt's schema requires is there, and asking
    for None at every step would hide the few places where it may not be.
    """
    return etree.fromstring(xml)
