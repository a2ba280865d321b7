"""The table of disks runs on a real libvirtd, as the tier realqemu does."""

from collections.abc import Iterator

import pytest

from tests.disks.scene import Scene, scene
from tests.lab.fixtures import lab
from tests.realqemu.vm.conftest import _iso, host, world
from tests.realqemu.vm.world import World

__all__ = ["_iso", "host", "lab", "world"]


@pytest.fixture
def stage(world: World) -> Iterator[Scene]:
    with scene(world) as found:
        yield found
