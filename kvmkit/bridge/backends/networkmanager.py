"""NetworkManager: profiles of its own for the bridge and its port, in memory until they are confirmed.

The profile that the card has now stays as it is, and NetworkManager falls back on it: those of the bridge are
only preferred. NetworkManager's own checkpoints are not used: they die with it, and what was tried stays.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from kvmkit.bridge.backends.kernel import Argv, put_back_bridge, put_back_nic
from kvmkit.bridge.facts import Network
from kvmkit.bridge.picture import uses_dhcp
from kvmkit.bridge.recipe import Recipe
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.errors import Conflict

__all__ = ["bridge", "unbridge"]

FOLDERS = ("/run/NetworkManager/system-connections", "/etc/NetworkManager/system-connections")
UP = ("nmcli", "--wait", "10", "connection", "up")
CARRIED = ("zone", "metered", "mdns", "llmnr", "dns-over-tls")
"""What a profile says of the whole connection and goes with the addresses (nm-settings(5), connection)."""
UNSET = ("", "-1", "0x0", "default", "unknown")
"""How nmcli writes that a property is left to NetworkManager, whatever the property."""
HIGHEST = 999
"""Of connection.autoconnect-priority."""


def bridge(network: Network, spec: BridgeSpec) -> Recipe:
    """Make the card's connection one of a bridge, with the settings that its profile has.

    The profile is only read: on the disk it stays, so that a reboot in the trial begins with it, and so does
    NetworkManager should the bridge's profiles ever fail.
    """
    settings = _settings(network, spec.nic)
    old, port = settings["connection.uuid"], _port(spec.bridge, spec.nic)
    priority = min(int(settings.get("connection.autoconnect-priority") or 0) + 1, HIGHEST)
    preferred = ("connection.autoconnect", "yes", "connection.autoconnect-priority", str(priority))
    return Recipe(
        owner="NetworkManager",
        apply=(
            ("nmcli", "connection", "add", "save", "no", *_bridge_words(network, spec, settings)),
            # A copy: it has the card's MTU, speed and wake-on-LAN.
            ("nmcli", "connection", "clone", "--temporary", old, port),
            ("nmcli", "connection", "modify", "--temporary", port, *_port_words(spec, old)),
            ("nmcli", "--wait", "30", "connection", "up", port, "ifname", spec.nic),
        ),
        restore=(
            (*UP, "uuid", old, "ifname", spec.nic),
            *_forget(spec.bridge, spec.nic),
            *put_back_nic(network, spec.nic, spec.bridge),
        ),
        # This writes a profile to the disk. The port comes first: without the bridge it is of no use, and
        # the card's own profile is taken.
        keep=tuple(
            ("nmcli", "connection", "modify", name, *preferred) for name in (port, _name(spec.bridge))
        ),
    )


def unbridge(network: Network, bridge: str) -> Recipe:
    """Go back to the profile that the card had before, and remove those of the bridge.

    Raises
    ------
    Conflict
        The bridge is not kvmkit's.
    """
    (nic,) = network.ports_of(bridge)
    port = _port(bridge, nic)
    settings = _settings(network, nic)
    if settings["connection.id"] != port:
        raise Conflict(
            f"bridge {bridge} was not made by kvmkit: NetworkManager's profile of {nic} is "
            f"{settings['connection.id']}; take it down with nmcli connection down {bridge}"
        )
    files = [path for name in (nic, bridge) for claim in network.claims_on(name) for path in claim.files]
    return Recipe(
        owner="NetworkManager",
        apply=(
            (*UP, "uuid", settings["connection.stable-id"], "ifname", nic),
            ("nmcli", "connection", "down", _name(bridge)),
        ),
        restore=(
            # Files that were put back.
            ("nmcli", "connection", "reload"),
            (*UP, port, "ifname", nic),
            *put_back_bridge(network, nic, bridge),
        ),
        keep_files=dict.fromkeys(files),
        keep=(("nmcli", "connection", "reload"),),
    )


def _settings(network: Network, nic: str) -> Mapping[str, str]:
    claims = [claim for claim in network.claims_on(nic) if claim.owner == "NetworkManager"]
    if not claims or "connection.uuid" not in claims[0].settings:
        raise Conflict(f"NetworkManager has no active profile for {nic}: nmcli device connect {nic}")
    return claims[0].settings


def _name(bridge: str) -> str:
    return f"kvmkit-{bridge}"


def _port(bridge: str, nic: str) -> str:
    return f"kvmkit-{bridge}-{nic}"


def _bridge_words(network: Network, spec: BridgeSpec, settings: Mapping[str, str]) -> Argv:
    nic = network.link(spec.nic)
    properties = {
        "con-name": _name(spec.bridge),
        "ifname": spec.bridge,
        "autoconnect": "no",
        # Left to itself, NetworkManager has STP on, and the host is away for half a minute.
        "bridge.stp": "yes" if spec.stp else "no",
        "bridge.forward-delay": str(spec.forward_delay),
        # DHCP knows the host by it.
        "bridge.mac-address": nic.mac if nic else "",
    }
    properties |= {f"connection.{name}": settings.get(f"connection.{name}", "") for name in CARRIED}
    properties |= _addressing(network, spec, settings)
    words = (word for name, value in properties.items() if value not in UNSET for word in (name, value))
    return ("type", "bridge", *words)


def _port_words(spec: BridgeSpec, old: str) -> Argv:
    properties = {
        "connection.interface-name": spec.nic,
        "connection.master": spec.bridge,
        "connection.slave-type": "bridge",
        "connection.autoconnect": "no",
        # Of no other use to a port: it says what to go back to.
        "connection.stable-id": old,
    }
    return tuple(word for pair in properties.items() for word in pair)


def _addressing(network: Network, spec: BridgeSpec, settings: Mapping[str, str]) -> dict[str, str]:
    """Give the properties of IPv4 and IPv6; as they are, but for what the spec asks otherwise."""
    found = {name: value for name, value in settings.items() if name.startswith(("ipv4.", "ipv6."))}
    leased = settings.get("ipv4.method") == "auto"
    if spec.addressing == "static":
        found |= _static(network, spec, settings)
    elif spec.addressing == "dhcp" and not leased:
        own = ("addresses", "gateway", "routes", "dns", "dns-search")
        found |= {"ipv4.method": "auto", **{f"ipv4.{name}": "" for name in own}}
    metric = ""
    for family in (4, 6):
        # Its own idea of a bridge's metric is 425, behind any other card.
        metric = _metric(network, spec.nic, family) or metric
        found[f"ipv{family}.route-metric"] = metric
    return found


def _metric(network: Network, nic: str, family: int) -> str:
    """Give the metric of the routes to the card's neighbours: the one that the profile, or the card, has."""
    near = (
        route
        for route in network.routes_on(nic)
        if (route.family, route.protocol) == (family, "kernel") and not route.destination.startswith("fe80:")
    )
    return next((str(route.metric) for route in near if route.metric), "")


def _static(network: Network, spec: BridgeSpec, settings: Mapping[str, str]) -> dict[str, str]:
    own = ipaddress.IPv4Interface(spec.address)
    servers, search = settings.get("ipv4.dns", ""), settings.get("ipv4.dns-search", "")
    if uses_dhcp(network, spec.nic):
        servers = ",".join(server for server in network.dns.servers if ":" not in server)
        search = ",".join(network.dns.search)
    return {
        "ipv4.method": "manual",
        "ipv4.addresses": spec.address,
        "ipv4.gateway": spec.gateway,
        "ipv4.routes": ", ".join(_reachable(settings.get("ipv4.routes", ""), own)),
        "ipv4.dns": ",".join(spec.servers) or servers,
        "ipv4.dns-search": search,
    }


def _reachable(routes: str, own: ipaddress.IPv4Interface) -> Iterator[str]:
    """Give the routes, ``10.9.0.0/16 192.168.0.2 50``, whose gateway is near the new address, too."""
    for route in filter(None, routes.split(", ")):
        words = route.split()
        if len(words) > 1 and "=" not in words[1] and ipaddress.ip_address(words[1]) in own.network:
            yield route


def _forget(bridge: str, nic: str) -> Iterator[Argv]:
    """Remove the profiles of a bridge; a NetworkManager that is dead must not find them when it starts."""
    for name in (_port(bridge, nic), _name(bridge)):
        yield ("nmcli", "connection", "delete", name)
    paths = (
        f"{folder}/{name}.nmconnection" for folder in FOLDERS for name in (_port(bridge, nic), _name(bridge))
    )
    yield ("rm", "-f", *paths)
