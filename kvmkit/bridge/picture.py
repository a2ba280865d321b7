"""The network as it will be: pure functions from one picture to the next."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace

from kvmkit.bridge.facts import Address, BridgeSettings, Link, Network, Route
from kvmkit.bridge.spec import BridgeSpec

__all__ = ["bridged", "unbridged", "uses_dhcp"]


def uses_dhcp(network: Network, link: str) -> bool:
    """Whether a link has its IPv4 address from DHCP."""
    found = network.link(link)
    leased = found is not None and any(a.dynamic and a.family == 4 for a in found.addresses)
    return leased or any(
        claim.settings.get("ipv4.method") == "auto"
        or "lease.CLIENTID" in claim.settings
        # dhclient of old, and busybox's udhcpc, give their addresses no lifetime.
        or any(_dhcp_stanza(network.files.get(path, ""), link) for path in claim.files)
        for claim in network.claims_on(link)
    )


def _dhcp_stanza(text: str, link: str) -> bool:
    return bool(re.search(rf"^\s*iface\s+{re.escape(link)}\s+inet\s+dhcp\b", text, re.MULTILINE))


def bridged(network: Network, spec: BridgeSpec) -> Network:
    """Draw the network with the bridge that a spec asks for.

    Addresses and routes that leave by the card leave by the bridge then, which has the card's MAC address.
    What DHCP will give is not drawn, unless it is what the host has from it now.
    """
    nic = network.link(spec.nic)
    if nic is None:
        raise ValueError(f"no link {spec.nic} in that picture")
    stays = spec.addressing == "keep" or (spec.addressing == "dhcp" and uses_dhcp(network, spec.nic))
    routes = [route for route in network.routes_on(spec.nic) if stays or route.family == 6]
    addresses = [address for address in nic.global_addresses if stays or address.family == 6]
    if spec.addressing == "static":
        addresses = [_static(spec), *addresses]
        routes = [*_static_routes(network, spec), *routes]
    bridge = Link(
        name=spec.bridge,
        index=0,
        kind="bridge",
        mac=nic.mac,
        mtu=nic.mtu,
        up=True,
        carrier=True,
        addresses=tuple(addresses),
        bridge=BridgeSettings(spec.stp, spec.forward_delay),
    )
    port = replace(nic, master=spec.bridge, addresses=(), up=True, carrier=True, port_state="forwarding")
    others = tuple(
        port if link.name == spec.nic else link for link in network.links if link.name != spec.bridge
    )
    dns = replace(network.dns, servers=spec.servers) if spec.servers else network.dns
    return _moved(network, spec.nic, spec.bridge, routes, (*others, bridge), dns=dns)


def unbridged(network: Network, bridge: str, port: str) -> Network:
    """Draw the network without a bridge: its port has its addresses and routes again, and its manager."""
    gone = network.link(bridge)
    nic = network.link(port)
    if gone is None or nic is None:
        raise ValueError(f"no bridge {bridge} with port {port} in that picture")
    free = replace(nic, master="", addresses=gone.global_addresses, port_state="")
    links = tuple(free if link.name == port else link for link in network.links if link.name != bridge)
    claims = network.claims
    if not network.claims_on(port):
        claims += tuple(replace(claim, nic=port) for claim in network.claims_on(bridge))
    return _moved(network, bridge, port, list(network.routes_on(bridge)), links, claims=claims)


def _moved(
    network: Network, old: str, new: str, routes: list[Route], links: tuple[Link, ...], **more: object
) -> Network:
    stay = [route for route in network.routes if route.dev not in (old, new)]
    moved = [replace(route, dev=new) for route in routes]
    ways = {
        address: replace(way, dev=new) if way.dev == old else way for address, way in network.ways.items()
    }
    return replace(network, links=links, routes=(*moved, *stay), ways=ways, **more)  # type: ignore[arg-type]


def _static(spec: BridgeSpec) -> Address:
    own = ipaddress.IPv4Interface(spec.address)
    return Address(str(own.ip), own.network.prefixlen)


def _static_routes(network: Network, spec: BridgeSpec) -> list[Route]:
    """Give the routes of a static address: its network's, the default one, and others that find their way.

    The default route keeps the metric that it has, so that it stays before or behind that of another card.
    """
    own = ipaddress.IPv4Interface(spec.address)
    before = [route for route in network.routes_on(spec.nic) if route.family == 4]
    metric = next((route.metric for route in before if route.destination == "default"), 0)
    near = next((route.metric for route in before if route.protocol == "kernel"), 0)
    routes = [Route(str(own.network), metric=near, source=str(own.ip), scope="link", protocol="kernel")]
    if spec.gateway:
        routes.append(Route("default", gateway=spec.gateway, metric=metric))
    kept = (
        route
        for route in before
        if route.destination != "default"
        and route.gateway
        and ipaddress.ip_address(route.gateway) in own.network
    )
    return [*routes, *(replace(route, source="") for route in kept)]
