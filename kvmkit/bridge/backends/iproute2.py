"""Nobody manages the NIC: plain ``ip`` commands, which a reboot forgets.

A bridge is made by one ``ip -batch``, waited for, and given the routes by a second; one takes it away.
No packet is lost meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kvmkit.bridge.backends.kernel import Argv, adding, moving, wait_until_up, waiting
from kvmkit.bridge.facts import Network
from kvmkit.bridge.picture import bridged, unbridged
from kvmkit.bridge.recipe import TRIAL, Recipe
from kvmkit.bridge.spec import BridgeSpec

__all__ = ["bridge", "unbridge", "undo"]

_Batches = Iterator[list[str]]
"""Lines for ``ip -batch``, a process each; a bridge has to carry packets before the next begins."""


def bridge(network: Network, spec: BridgeSpec) -> Recipe:
    """Make the card a port of a new bridge, and move its addresses and routes there."""
    after = bridged(network, spec)
    return _recipe(
        spec.bridge, _forward(after, spec.bridge, spec.nic), _backward(network, spec.bridge, spec.nic)
    )


def undo(network: Network, spec: BridgeSpec) -> Recipe:
    """Take that back: nobody else knows what the card had, where the bridge was given another address."""
    after = bridged(network, spec)
    return _recipe(
        spec.bridge, _backward(network, spec.bridge, spec.nic), _forward(after, spec.bridge, spec.nic)
    )


def unbridge(network: Network, bridge: str) -> Recipe:
    """Move addresses and routes back to the bridge's port, and remove the bridge."""
    (port,) = network.ports_of(bridge)
    after = unbridged(network, bridge, port)
    return _recipe(bridge, _backward(after, bridge, port), _forward(network, bridge, port))


def _recipe(bridge: str, apply: _Batches, restore: _Batches) -> Recipe:
    tried, put_back = _files("apply", apply), _files("restore", restore)
    return Recipe(
        owner="iproute2",
        trial_files=tried | put_back | waiting(),
        apply=tuple(_commands(bridge, tried)),
        # What is there already or gone already is no reason to stop.
        restore=tuple(_commands(bridge, put_back, "-force")),
    )


def _files(name: str, batches: _Batches) -> dict[str, str]:
    return {
        f"{TRIAL}/{name}-{number}": "".join(f"{line}\n" for line in lines)
        for number, lines in enumerate(batches, 1)
    }


def _commands(bridge: str, paths: Iterable[str], *options: str) -> Iterator[Argv]:
    for number, path in enumerate(paths):
        if number:
            yield wait_until_up(bridge)
        yield ("ip", *options, "-batch", path)


def _forward(after: Network, bridge: str, port: str) -> _Batches:
    link = after.known(bridge)
    lines = list(moving(after, link))
    yield [
        adding(link),
        f"link set dev {bridge} up",
        # The addresses are on both for a moment, and the port's own routes work while it is in the bridge,
        # too: so that there is a way at any time.
        *(line for line in lines if line.startswith("addr ")),
        f"link set dev {port} up",
        f"link set dev {port} master {bridge}",
    ]
    yield [*(line for line in lines if line.startswith("route ")), f"addr flush dev {port} scope global"]


def _backward(after: Network, bridge: str, port: str) -> _Batches:
    link = after.known(port)
    lines = list(moving(after, link))
    yield [
        f"link set dev {port} {'up' if link.up else 'down'}",
        *(line for line in lines if line.startswith("addr ")),
        f"link set dev {port} nomaster",
        *(line for line in lines if line.startswith("route ")),
        # It goes last, as the kernel takes its time over it.
        f"link delete dev {bridge}",
    ]
