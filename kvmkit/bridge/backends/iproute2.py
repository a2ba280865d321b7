"""Nobody manages the NIC: plain ``ip`` commands, which a reboot forgets.

All of a change is one ``ip -batch``, one process: no packet is lost while it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kvmkit.bridge.facts import Address, Link, Network, Route
from kvmkit.bridge.picture import bridged, unbridged
from kvmkit.bridge.recipe import TRIAL, Recipe
from kvmkit.bridge.spec import BridgeSpec

__all__ = ["bridge", "unbridge"]

APPLY, RESTORE = f"{TRIAL}/apply", f"{TRIAL}/restore"


def bridge(network: Network, spec: BridgeSpec) -> Recipe:
    """Make the card a port of a new bridge, and move its addresses and routes there."""
    after = bridged(network, spec)
    return _recipe(_forward(after, spec.bridge, spec.nic), _backward(network, spec.bridge, spec.nic))


def unbridge(network: Network, bridge: str) -> Recipe:
    """Move addresses and routes back to the bridge's port, and remove the bridge."""
    (port,) = network.ports_of(bridge)
    after = unbridged(network, bridge, port)
    return _recipe(_backward(after, bridge, port), _forward(network, bridge, port))


def _recipe(apply: Iterable[str], restore: Iterable[str]) -> Recipe:
    return Recipe(
        owner="iproute2",
        trial_files={APPLY: _script(apply), RESTORE: _script(restore)},
        apply=(("ip", "-batch", APPLY),),
        # What is there already or gone already is no reason to stop.
        restore=(("ip", "-force", "-batch", RESTORE),),
        persistent=False,
    )


def _script(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _forward(after: Network, bridge: str, port: str) -> Iterator[str]:
    link = _link(after, bridge)
    settings = link.bridge
    stp = settings is not None and settings.stp
    # Without STP a delay has no effect, and the kernel takes any.
    delay = 100 * settings.forward_delay if settings else 0
    yield (
        f"link add name {bridge} address {link.mac} mtu {link.mtu} "
        f"type bridge stp_state {int(stp)} forward_delay {delay}"
    )
    yield f"link set dev {bridge} up"
    yield f"link set dev {port} up"
    yield f"link set dev {port} master {bridge}"
    yield f"addr flush dev {port} scope global"
    yield from _moving(after, link)


def _backward(after: Network, bridge: str, port: str) -> Iterator[str]:
    yield f"link set dev {port} nomaster"
    yield f"link set dev {port} up"
    # The bridge goes last, as the kernel takes its time over it; its route to the LAN must not last so long.
    yield f"addr flush dev {bridge} scope global"
    yield from _moving(after, _link(after, port))
    yield f"link delete dev {bridge}"


def _moving(after: Network, link: Link) -> Iterator[str]:
    """Give a link, in ip's words, the addresses and routes that it has in a picture.

    What routers announce, and what the kernel makes of an address, is left to them.
    """
    yield from _addresses(after, link)
    yield from _routes(after, link.name)


def _addresses(after: Network, link: Link) -> Iterator[str]:
    for address in link.global_addresses:
        if address.family == 4 or not address.dynamic:
            yield f"addr replace {_address(address)} dev {link.name}{_metric(after, link.name, address)}"


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


def _routes(after: Network, dev: str) -> Iterator[str]:
    routes = [route for route in after.routes_on(dev) if route.protocol not in ("kernel", "ra")]
    # A gateway has to be reachable before a route by it is taken.
    for route in sorted(routes, key=lambda route: bool(route.gateway)):
        yield f"route replace {_route(route)} dev {dev}"


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


def _link(network: Network, name: str) -> Link:
    found = network.link(name)
    if found is None:
        raise ValueError(f"no link {name} in that picture")
    return found
