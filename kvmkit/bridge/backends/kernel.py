"""A link's addresses and routes in ip's words; and the kernel's own part of a way back.

A manager's way back ends with that: for when the manager is dead, or does less than it says. What it has put
there already stays as it is: nothing is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator

from kvmkit.bridge.facts import Address, BridgeSettings, Link, Network, Route
from kvmkit.bridge.recipe import TRIAL
from kvmkit.commands import script

__all__ = ["Argv", "adding", "freed", "moving", "put_back_bridge", "put_back_nic", "wait_until_up", "waiting"]

Argv = tuple[str, ...]
WAIT_UNTIL_UP = f"{TRIAL}/wait-until-up"
"""Where :func:`waiting` has it put."""


def waiting() -> dict[str, str]:
    """Give the trial file by which a bridge is waited for."""
    return {WAIT_UNTIL_UP: script("bridge/wait_until_up.sh")}


def wait_until_up(bridge: str) -> Argv:
    """Wait until the kernel lets packets out by a bridge that has just got its port."""
    return ("sh", WAIT_UNTIL_UP, bridge)


def adding(bridge: Link) -> str:
    """Make a bridge, in a line for ``ip -batch``."""
    settings = bridge.bridge or BridgeSettings()
    return (
        f"link add name {bridge.name} address {bridge.mac} mtu {bridge.mtu} type bridge "
        f"stp_state {int(settings.stp)} forward_delay {100 * settings.forward_delay}"
    )


def moving(after: Network, link: Link) -> Iterator[str]:
    """Give a link the addresses and routes that it has in a picture, in lines for ``ip -batch``.

    What routers announce, and what the kernel makes of an address, is left to them.
    """
    for address in link.global_addresses:
        if address.family == 4 or not address.dynamic:
            yield f"addr replace {_address(address)} dev {link.name}{_metric(after, link.name, address)}"
    routes = [route for route in after.routes_on(link.name) if route.protocol not in ("kernel", "ra")]
    # A gateway has to be reachable before a route by it is taken.
    for route in sorted(routes, key=lambda route: bool(route.gateway)):
        yield f"route replace {_route(route)} dev {link.name}"


def freed(nic: str, bridge: str) -> tuple[Argv, ...]:
    """Take a card out of a bridge, and the bridge away."""
    return (
        ("ip", "link", "set", "dev", nic, "nomaster"),
        ("ip", "link", "delete", "dev", bridge),
    )


def put_back_nic(network: Network, nic: str, bridge: str, *, alone: bool = False) -> Iterator[Argv]:
    """Take a card out of a bridge, and give it what it has in `network`; `alone` as in :func:`_put_back`."""
    yield from freed(nic, bridge)
    yield from _put_back(network, nic, alone=alone)


def put_back_bridge(network: Network, nic: str, bridge: str, *, alone: bool = False) -> Iterator[Argv]:
    """Make a bridge as it is in `network`, put the card into it, and give it what it has in `network`."""
    link = network.known(bridge)
    yield from _argvs(
        adding(link),
        f"link set dev {nic} master {bridge}",
        f"link set dev {nic} up",
        f"addr flush dev {nic} scope global",
    )
    yield from _put_back(network, bridge, alone=alone)


def _put_back(network: Network, name: str, *, alone: bool) -> Iterator[Argv]:
    """Add addresses and routes.

    A manager that has come to its end by then is told from one that is still at it: `alone` adds the routes
    to neighbours as the manager has them, while one that goes on wants the kernel to make them.
    """
    link = network.known(name)
    yield from _argvs(f"link set dev {name} {'up' if link.up else 'down'}")
    for address in link.addresses:
        if address.family == 4 or not address.dynamic:
            near = " noprefixroute" if alone else _metric(network, name, address)
            yield from _argvs(f"addr add {_address(address)} dev {name}{near}")
    seen = set()
    left = ("ra",) if alone else ("ra", "kernel")
    routes = [route for route in network.routes_on(name) if route.protocol not in left]
    for route in sorted(routes, key=lambda route: bool(route.gateway)):
        key = (route.family, route.destination, route.metric)
        # Two addresses of one network have a route each; to `add`, they are the same.
        yield from _argvs(f"route {'append' if key in seen else 'add'} {_route(route)} dev {name}")
        seen.add(key)


def _argvs(*lines: str) -> Iterator[Argv]:
    for line in lines:
        yield ("ip", *line.split())


def _address(address: Address) -> str:
    # Nobody else can have taken it meanwhile: no wait for the detection of duplicates.
    words = [f"{address.address} peer {address.peer}/{address.prefix}" if address.peer else address.cidr]
    words += [f"broadcast {address.broadcast}"] * bool(address.broadcast) + ["nodad"] * (address.family == 6)
    return " ".join(words)


def _metric(after: Network, dev: str, address: Address) -> str:
    """Keep the metric of the route to the address's own network, which the kernel makes with it."""
    for route in after.routes_on(dev):
        if route.protocol == "kernel" and route.metric and route.source == address.address:
            return f" metric {route.metric}"
    return ""


def _route(route: Route) -> str:
    default = "default" if route.family == 4 else "::/0"
    words = [default if route.destination == "default" else route.destination]
    for word, value in (
        ("via", route.gateway),
        ("src", route.source),
        ("metric", route.metric),
        ("proto", route.protocol),
        ("mtu", route.mtu),
        ("scope", route.scope if route.family == 4 else ""),
    ):
        words += [f"{word} {value}"] * bool(value)
    return " ".join(words) + " onlink" * route.onlink
