"""These tests run against a virtual KVM host: a real machine, reached over SSH, that may be broken."""

from collections.abc import Iterator

import pytest

from tests.vhost.host import VirtualHost, unavailable
from tests.vhost.pristine import pristine


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
