"""The kernel's own part of a way back: for when the network manager is dead, or does less than it says.

What the manager has put there already stays as it is: nothing here replaces anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from kvmkit.bridge.backends.iproute2 import moving
from kvmkit.bridge.facts import BridgeSettings, Link, Network

__all__ = ["Argv", "put_back_bridge", "put_back_nic"]

Argv = tuple[str, ...]


def put_back_nic(network: Network, nic: str, bridge: str) -> Iterator[Argv]:
    """Take a card out of a bridge, and give it what it has in `network`."""
    yield ("ip", "link", "set", nic, "nomaster")
    yield ("ip", "link", "delete", bridge)
    yield from _configured(network, nic)


def put_back_bridge(network: Network, nic: str, bridge: str) -> Iterator[Argv]:
    """Make a bridge as it is in `network`, put the card into it, and give it what it has in `network`."""
    link = network.link(bridge) or Link(bridge, 0)
    settings = link.bridge or BridgeSettings()
    stp = ("stp_state", str(int(settings.stp)), "forward_delay", str(settings.forward_delay * 100))
    yield ("ip", "link", "add", bridge, "address", link.mac, "type", "bridge", *stp)
    yield ("ip", "link", "set", nic, "master", bridge)
    yield ("ip", "link", "set", nic, "up")
    yield ("ip", "address", "flush", "dev", nic, "scope", "global")
    yield from _configured(network, bridge)


def _configured(network: Network, name: str) -> Iterator[Argv]:
    yield ("ip", "link", "set", name, "up")
    link = network.link(name)
    for line in moving(network, link) if link else ():
        thing, _replace, *words = line.split()
        yield ("ip", thing, "add", *words)
