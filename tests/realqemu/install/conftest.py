"""These tests see the host as those of VMs do."""

from tests.realqemu.install.tiny import folder, location
from tests.realqemu.vm.conftest import _iso, host, world

__all__ = ["_iso", "folder", "host", "location", "world"]
