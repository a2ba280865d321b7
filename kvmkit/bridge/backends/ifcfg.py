"""network-scripts (RHEL 7 and older): the two files that make a bridge there, for a person to write.

They are rendered and not applied: network-scripts has one way to take them up, restarting the whole network,
and none to try them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from kvmkit.bridge.facts import Link, Network
from kvmkit.bridge.picture import bridged, uses_dhcp
from kvmkit.bridge.spec import BridgeSpec

__all__ = ["files"]

FOLDER = "/etc/sysconfig/network-scripts"


def files(network: Network, spec: BridgeSpec) -> dict[str, str]:
    """Give both files, by path: ``sysconfig.txt`` of the package initscripts says what they mean.

    They have the card's own IPv4 and IPv6 addresses, or what the spec asks for. Routes besides the default
    ones are in a file ``route-eth0``, which takes the bridge's name.
    """
    after = bridged(network, spec)
    bridge = after.known(spec.bridge)
    leased = spec.addressing != "static" and (spec.addressing == "dhcp" or uses_dhcp(network, spec.nic))
    card = _device(spec.nic, "Ethernet", "none") | {"BRIDGE": spec.bridge}
    whole = _device(spec.bridge, "Bridge", "dhcp" if leased else "static")
    if not leased:
        whole |= dict(_ipv4(after, bridge))
        whole |= {f"DNS{number}": server for number, server in enumerate(after.dns.servers, 1)}
    whole |= dict(_ipv6(after, bridge))
    whole |= {"STP": "on"} if spec.stp else {}
    # Without STP the port is open at once: the default of 30 seconds is for nothing.
    whole["DELAY"] = str(spec.forward_delay)
    return {
        f"{FOLDER}/ifcfg-{part['DEVICE']}": "".join(f"{name}={value}\n" for name, value in part.items())
        for part in (card, whole)
    }


def _device(name: str, kind: str, protocol: str) -> dict[str, str]:
    return {"DEVICE": name, "TYPE": kind, "ONBOOT": "yes", "BOOTPROTO": protocol}


def _ipv4(after: Network, bridge: Link) -> Iterator[tuple[str, str]]:
    own = [address for address in bridge.global_addresses if address.family == 4]
    for number, address in enumerate(own):
        mark = str(number or "")
        yield f"IPADDR{mark}", address.address
        if not number:
            yield from (("GATEWAY", gateway) for gateway in after.gateways_on(bridge.name, family=4)[:1])
        yield f"NETMASK{mark}", str(ipaddress.IPv4Interface(address.cidr).netmask)


def _ipv6(after: Network, bridge: Link) -> Iterator[tuple[str, str]]:
    own = [a.cidr for a in bridge.global_addresses if a.family == 6 and not a.dynamic]
    if not own:
        return
    yield "IPV6INIT", "yes"
    yield "IPV6ADDR", own[0]
    if own[1:]:
        yield "IPV6ADDR_SECONDARIES", f'"{" ".join(own[1:])}"'
    yield from (("IPV6_DEFAULTGW", gateway) for gateway in after.gateways_on(bridge.name, family=6)[:1])
