"""These tests see the host as those of VMs do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.realqemu.install.tiny import folder, location, printed
from tests.realqemu.vm.conftest import _iso, host, world
from tests.realqemu.vm.world import World

__all__ = ["_iso", "folder", "host", "location", "printed", "small_pool", "world"]

SMALL = "/var/lib/libvirt/small"


@pytest.fixture
def small_pool(world: World) -> Iterator[Path]:
    """A pool on a file system of 4 MiB; gives its folder."""
    world.lab.run(["mkdir", SMALL])
    world.lab.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", SMALL])
    world.lab.run(["virsh", "pool-create-as", "small", "dir", "--target", SMALL])
    yield world.file(SMALL)
    world.lab.run(["virsh", "pool-destroy", "small"])
    world.lab.run(["umount", SMALL])
    world.lab.run(["rmdir", SMALL])
