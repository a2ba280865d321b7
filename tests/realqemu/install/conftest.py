"""These tests see the host as those of VMs do."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.realqemu.install.tiny import folder, location, printed
from tests.realqemu.vm.conftest import _iso, host, world
from tests.realqemu.vm.world import World

__all__ = ["_iso", "folder", "host", "large_pool", "location", "printed", "small_pool", "world"]

SMALL = "/var/lib/libvirt/small"


@pytest.fixture
def small_pool(world: World) -> Iterator[Path]:
    """A pool on a file system of 4 MiB; gives its folder."""
    with _pool(world, "4m"):
        yield world.file(SMALL)


@pytest.fixture
def large_pool(world: World) -> Iterator[Path]:
    """A pool on a file system that seems to have 2 GiB, until :func:`resize`; gives its folder."""
    with _pool(world, "2g"):
        yield world.file(SMALL)


def resize(world: World, size: str) -> None:
    """Let the file system of the pool have another size."""
    world.lab.run(["mount", "-o", f"remount,size={size}", SMALL])


@contextlib.contextmanager
def _pool(world: World, size: str) -> Iterator[None]:
    world.lab.run(["mkdir", SMALL])
    world.lab.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", SMALL])
    world.lab.run(["virsh", "pool-create-as", "small", "dir", "--target", SMALL])
    yield
    world.lab.run(["virsh", "pool-destroy", "small"])
    world.lab.run(["umount", SMALL])
    world.lab.run(["rmdir", SMALL])
