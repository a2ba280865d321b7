"""The LAN of a test session, and a host on it for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.lab import root
from tests.lab.machine import unavailable
from tests.netlab.lan import Lan, LanHost, Owner
from tests.netlab.managers import Netplan, Networkd, NetworkManager
from tests.netlab.scene import Scene
from tests.netlab.unmanaged import Ifupdown, Iproute2

SIMPLE: tuple[Owner, ...] = (Iproute2(), Ifupdown(), NetworkManager(), Networkd(), Netplan(Networkd()))
"""The article's host: one address, one gateway."""
LASTING = SIMPLE[1:]
"""Those that write a bridge to the disk."""
MANY: tuple[Owner, ...] = (
    Iproute2(many=True),
    Ifupdown(many=True),
    NetworkManager(many=True),
    Networkd(many=True),
    Netplan(NetworkManager(), many=True),
)
"""More addresses, IPv6, routes with metrics."""
LEASED: tuple[Owner, ...] = (Ifupdown(), NetworkManager(), Networkd(), Netplan(Networkd()))
"""Those that speak DHCP."""

Booted = Callable[..., Scene]


@pytest.fixture(scope="session")
def lan() -> Iterator[Lan]:
    if reason := unavailable(root.path()):
        pytest.skip(f"no LAN: {reason}")
    with Lan() as running:
        yield running


@pytest.fixture
def booted(lan: Lan) -> Iterator[Booted]:
    """Boot a host; it ends with the test."""
    with ExitStack() as stack:
        yield lambda owner, **how: Scene(stack.enter_context(LanHost(lan, owner, **how)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each owner of a NIC every test that asks for one."""
    for name, owners in (
        ("simple", SIMPLE),
        ("lasting", LASTING),
        ("every", (*SIMPLE, *MANY)),
        ("leased", LEASED),
    ):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, owners, ids=_id)


def _id(owner: Owner) -> str:
    return f"{owner.name}{'-many' if owner in MANY else ''}"
