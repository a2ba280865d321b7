"""A virtual KVM host for each test: a real machine, reached over SSH, that may be broken; and the lab."""

from collections.abc import Iterator

import pytest

from tests.lab.fixtures import lab
from tests.realqemu.vm.conftest import _iso, world
from tests.vhost.host import VirtualHost, unavailable
from tests.vhost.pristine import pristine

__all__ = ["_iso", "bare", "lab", "possible", "ready", "selinux", "world"]


@pytest.fixture(autouse=True, scope="session")
def possible() -> None:
    if reason := unavailable():
        pytest.skip(f"no virtual host: {reason}")


@pytest.fixture
def bare() -> Iterator[VirtualHost]:
    """Give a pristine host without any package for virtualization."""
    with pristine("bare") as host:
        yield host


@pytest.fixture
def ready() -> Iterator[VirtualHost]:
    """Give a pristine host with libvirt and QEMU, its default pool and network started."""
    with pristine("ready") as host:
        yield host


@pytest.fixture
def selinux() -> Iterator[VirtualHost]:
    """Give a pristine host like that, with SELinux enforcing."""
    with pristine("selinux") as host:
        yield host
