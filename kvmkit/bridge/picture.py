"""The network as it will be: pure functions from one picture to the next."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import replace

from kvmkit.bridge.facts import Address, BridgeSettings, Link, Network, Route
from kvmkit.bridge.spec import BridgeSpec

__all__ = ["bridged", "is_near", "servers_to_tell", "unbridged", "uses_dhcp"]


def uses_dhcp(network: Network, link: str) -> bool:
    """Whether a link has its IPv4 address from DHCP."""
    found = network.link(link)
    if found is not None and any(a.dynamic and a.family == 4 for a in found.addresses):
        return True
    # dhclient of old, and busybox's udhcpc, give their addresses no lifetime.
    stanza = re.compile(rf"^\s*iface\s+{re.escape(link)}\s+inet\s+dhcp\b", re.MULTILINE)
    return any(
        claim.settings.get("ipv4.method") == "auto"
        or "lease.CLIENTID" in claim.settings
        or any(stanza.search(network.files.get(path, "")) for path in claim.files)
        for claim in network.claims_on(link)
    )


def servers_to_tell(network: Network, spec: BridgeSpec) -> tuple[str, ...]:
    """Name the DNS servers that a manager has to be told with a static address: also those of a lease."""
    leased = network.dns.servers if uses_dhcp(network, spec.nic) else ()
    return spec.servers or tuple(server for server in leased if ":" not in server)


def is_near(gateway: str, near: ipaddress.IPv4Network) -> bool:
    """Whether a gateway, if it is one of IPv4, is in this network."""
    try:
        return ipaddress.IPv4Address(gateway) in near
    except ValueError:
        return False


def bridged(network: Network, spec: BridgeSpec) -> Network:
    """Draw the network with the bridge that a spec asks for.

    Addresses and routes that leave by the card leave by the bridge then, which has the card's MAC address.
    What DHCP will give is not drawn, unless it is what the host has from it now.
    """
    nic = network.known(spec.nic)
    stays = spec.addressing == "keep" or (spec.addressing == "dhcp" and uses_dhcp(network, spec.nic))
    routes = [route for route in network.routes_on(spec.nic) if stays or route.family == 6]
    addresses = [address for address in nic.global_addresses if stays or address.family == 6]
    if spec.addressing == "static":
        own = ipaddress.IPv4Interface(spec.address)
        addresses = [Address(str(own.ip), own.network.prefixlen), *addresses]
        routes = [*_static_routes(network, spec, own), *routes]
    dns = replace(network.dns, servers=spec.servers) if spec.servers else network.dns
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
    kept = [port if link.name == spec.nic else link for link in network.links if link.name != spec.bridge]
    return replace(_moved(network, spec.nic, spec.bridge, routes), links=(*kept, bridge), dns=dns)


def unbridged(network: Network, bridge: str, port: str) -> Network:
    """Draw the network without a bridge: its port has its addresses and routes again, and its manager."""
    addresses = network.known(bridge).global_addresses
    free = replace(network.known(port), master="", addresses=addresses, port_state="")
    links = tuple(free if link.name == port else link for link in network.links if link.name != bridge)
    claims = network.claims
    if not network.claims_on(port):
        claims += tuple(replace(claim, nic=port) for claim in network.claims_on(bridge))
    after = _moved(network, bridge, port, network.routes_on(bridge))
    return replace(after, links=links, claims=claims)


def _moved(network: Network, old: str, new: str, routes: Iterable[Route]) -> Network:
    stay = [route for route in network.routes if route.dev not in (old, new)]
    moved = [replace(route, dev=new) for route in routes]
    ways = {
        address: replace(way, dev=new) if way.dev == old else way for address, way in network.ways.items()
    }
    return replace(network, routes=(*moved, *stay), ways=ways)


def _static_routes(network: Network, spec: BridgeSpec, own: ipaddress.IPv4Interface) -> list[Route]:
    """Give the routes of a static address: its network's, the default one, and others that find their way.

    The default route keeps the metric that it has, so that it stays before or behind that of another card.
    """
    before = [route for route in network.routes_on(spec.nic) if route.family == 4]
    metric = next((route.metric for route in before if route.destination == "default"), 0)
    near = next((route.metric for route in before if route.protocol == "kernel"), 0)
    if any(claim.settings.get("renderer") == "networkd" for claim in network.claims_on(spec.nic)):
        near = 0  # netplan has no word for it
    routes = [Route(str(own.network), metric=near, source=str(own.ip), scope="link", protocol="kernel")]
    if spec.gateway:
        routes.append(Route("default", gateway=spec.gateway, metric=metric))
    kept = (
        route for route in before if route.destination != "default" and is_near(route.gateway, own.network)
    )
    return [*routes, *(replace(route, source="") for route in kept)]
