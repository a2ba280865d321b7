"""Does a host's network look as it should?  Pure: what is expected and what was found, as rows."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from kvmkit.bridge.facts import Link, Network, Route
from kvmkit.report import Check, Status

__all__ = ["Expected", "compare", "expect", "route_text"]


class Expected(BaseModel):
    """The picture of a network around one link, as far as a trial is judged by it; plain data.

    Attributes
    ----------
    link
        Where addresses and routes are to be: ``br0``, or after a way back ``eth0``.
    port
        What is to be in it, if it is a bridge; it has no addresses then. Else empty.
    gone
        A link that is not to be there; else empty.
    up, mac
        Whether the link is up, and its MAC address.
    addresses
        Those that `link` has, and `port` has not, as ``192.168.0.100/24``; autoconfigured IPv6 ones are not
        among them, as some managers make those from the link's name.
    dhcp
        Whether IPv4 address and default route are DHCP's to choose: any will do, beside `addresses`.
    routes
        Those that leave by `link`, as :func:`route_text` writes them.
    dns
        Servers that the resolver asks.
    reach
        Addresses that answered before and so have to answer now.
    stp
        Whether the bridge speaks STP.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    link: str
    port: str = ""
    gone: str = ""
    up: bool = True
    mac: str
    addresses: tuple[str, ...] = ()
    dhcp: bool = False
    routes: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    reach: tuple[str, ...] = ()
    stp: bool = False


def route_text(route: Route) -> str:
    """Write a route as ``ip`` does, without link and protocol, which a bridge changes.

    >>> route_text(Route("default", gateway="192.168.0.1", dev="eth0", metric=100))
    'default via 192.168.0.1 metric 100'
    """
    kind = "" if route.kind == "unicast" else f"{route.kind} "
    destination = (
        "default (IPv6)" if (route.destination, route.family) == ("default", 6) else route.destination
    )
    words = [("via", route.gateway), ("src", route.source), ("metric", route.metric), ("mtu", route.mtu)]
    told = "".join(f" {word} {value}" for word, value in words if value)
    return f"{kind}{destination}{told}{' onlink' if route.onlink else ''}"


def expect(network: Network, link: str, *, gone: str = "") -> Expected:
    """Expect a link to stay as it is, or to be so again; and `gone` not to be there."""
    found = network.known(link)
    return Expected(
        link=link,
        port=next(iter(network.ports_of(link)), ""),
        gone=gone,
        up=found.up,
        mac=found.mac,
        addresses=_lasting(found),
        routes=_routes(network, found),
        dns=network.dns.servers,
        reach=tuple(sorted(address for address, way in network.ways.items() if way.answers)),
        stp=found.bridge is not None and found.bridge.stp,
    )


def _lasting(link: Link) -> tuple[str, ...]:
    return tuple(address.cidr for address in link.global_addresses if not address.announced)


def _routes(network: Network, link: Link) -> tuple[str, ...]:
    """Leave out what routers announce, and every link's own link-local network.

    Nor does it count whether a gateway is said to be on the link, as ifupdown says of each.
    """
    changing = (ipaddress.ip_interface(a.cidr).network for a in link.global_addresses if a.announced)
    announced = {str(near).removesuffix("/128") for near in changing}
    return tuple(
        sorted(
            route_text(replace(route, onlink=False))
            for route in network.routes_on(link.name)
            if route.protocol != "ra" and not _own(route) and route.destination not in announced
        )
    )


def _own(route: Route) -> bool:
    return route.destination.startswith(("fe80:", "ff00:"))


def compare(expected: Expected, network: Network) -> list[Check]:
    """Compare with a network that was read anew; every row has to be PASS before a trial is kept.

    The first row is the one that an administrator looks for: the address is on the link.
    """
    link, port = network.link(expected.link), network.link(expected.port)
    if link is None:
        links = ", ".join(sorted(found.name for found in network.links))
        return [_row(expected.link, [f"there are {links}"], f"a link {expected.link}", "")]
    rows = [_addresses(expected, link)]
    if port:
        # They would answer for the bridge, and make routes of their own.
        left = [f"{address} is still on {port.name}" for address in port.cidrs]
        rows.append(_row(f"address on {port.name}", left, "no address", "no address"))
    rows.append(_link(expected, link))
    if expected.port:
        rows.append(_port(expected, port))
    if expected.gone:
        there = ["still there"] if network.link(expected.gone) else []
        rows.append(_row(expected.gone, there, "gone", "gone"))
    return [*rows, _route_row(expected, network, link), _ways(expected, network), _dns(expected, network)]


def _row(check: str, problems: Sequence[str], expected: str, found: str) -> Check:
    return Check(check, Status.FAIL if problems else Status.PASS, "; ".join(problems) or found, expected)


def _addresses(expected: Expected, link: Link) -> Check:
    has = link.cidrs
    problems = [f"{address} is not on {link.name}" for address in expected.addresses if address not in has]
    wanted = list(expected.addresses)
    if expected.dhcp:
        wanted.insert(0, "an address from DHCP")
        if not any(address.family == 4 for address in link.global_addresses):
            problems.append(f"{link.name} has no IPv4 address: no DHCP server answered")
    else:
        extra = [address for address in _lasting(link) if address not in expected.addresses]
        problems += [f"{address} is on {link.name}, and should not be" for address in extra]
    found = ", ".join(has) or "no address"
    return _row(f"address on {link.name}", problems, ", ".join(wanted) or "no address", found)


def _link(expected: Expected, link: Link) -> Check:
    problems, state = [], "up" if expected.up else "down"
    if link.up is not expected.up:
        problems.append(f"{link.name} is {'up' if link.up else 'down'}")
    if link.mac != expected.mac:
        problems.append(
            f"its MAC address is {link.mac}, not {expected.mac}: DHCP and switches take it for another"
        )
    if expected.port and link.bridge is None:
        problems.append(f"{link.name} is no bridge")
    elif link.bridge and link.bridge.stp is not expected.stp:
        problems.append(f"STP is {'on' if link.bridge.stp else 'off'}")
    return _row(link.name, problems, f"{state}, with MAC address {expected.mac}", f"{state}, {link.mac}")


def _port(expected: Expected, port: Link | None) -> Check:
    problem = ""
    if port is None:
        problem = f"there is no link {expected.port}"
    elif port.master != expected.link:
        problem = f"{port.name} is in {port.master or 'no bridge'}"
    elif not port.carrier:
        problem = f"{port.name} has no carrier: is the cable in?"
    elif port.port_state != "forwarding":
        problem = f"{expected.link} does not forward to {port.name} yet: {port.port_state}"
    good = f"{expected.port}, forwarding"
    return _row("port", [problem] if problem else [], f"{expected.port} in {expected.link}, forwarding", good)


def _route_row(expected: Expected, network: Network, link: Link) -> Check:
    found = _routes(network, link)
    problems = [f"no route {route}" for route in expected.routes if route not in found]
    if expected.dhcp:
        if not any(route.startswith("default via") for route in found):
            problems.append("DHCP gave no default route")
    else:
        problems += [f"route {route} is new" for route in found if route not in expected.routes]
    left = network.routes_on(expected.port) if expected.port else ()
    problems += [f"route {route_text(r)} still leaves by {expected.port}" for r in left if not _own(r)]
    return _row("routes", problems, "; ".join(expected.routes) or "any", "; ".join(found) or "none")


def _ways(expected: Expected, network: Network) -> Check:
    problems = []
    for address in expected.reach:
        way = network.ways.get(address)
        if way is None or not way.answers:
            problems.append(f"{address} does not answer")
        elif expected.port and way.dev == expected.port:
            problems.append(f"the way to {address} is by {way.dev}")
    asked = sorted(expected.reach, key=lambda address: (":" in address, ipaddress.ip_address(address)))
    answer = ", ".join(asked)
    return _row(
        "reach", problems, f"answers from {answer or 'nobody: nobody answered before'}", answer or "nobody"
    )


def _dns(expected: Expected, network: Network) -> Check:
    found = network.dns.servers
    problems = [f"{server} is not asked any more" for server in expected.dns if server not in found]
    return _row("DNS", problems, ", ".join(expected.dns) or "none", ", ".join(found) or "none")
