"""What the tests on the practice host share."""

from collections.abc import Iterator

import pytest

import kvmkit as kk
from kvmkit.sandbox import Sandbox
from tests.practice.kernels import URI


@pytest.fixture
def host() -> kk.Host:
    """Give a practice host as on its first day, its file written once in the order that it is kept in."""
    host = kk.connect(URI)
    with host.changing("write the file"):
        pass
    return host


@pytest.fixture(scope="session")
def create_plan() -> kk.Plan:
    """Plan a VM with all that a plan can have; planned once, as virt-install takes its time."""
    return kk.plan_vm(kk.connect(URI), kk.VMSpec(name="web1", cdrom="rescue.iso", autostart=True))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Give a practice host's network of the test's own."""
    try:
        found = Sandbox()
    except kk.Unsupported as error:
        pytest.skip(str(error))
    yield found
    found.end()
