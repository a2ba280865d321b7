"""These tests run on a real libvirtd and QEMU."""

from tests.lab.fixtures import lab

__all__ = ["lab"]
