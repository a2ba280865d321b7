"""What stands in the way of a bridge, and what its maker should know: pure decisions from facts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import get_args

from kvmkit.bridge.backends import ifcfg
from kvmkit.bridge.claims import UNREADABLE
from kvmkit.bridge.compare import route_text
from kvmkit.bridge.facts import Claim, Link, Network
from kvmkit.bridge.picture import uses_dhcp
from kvmkit.bridge.recipe import Owner
from kvmkit.bridge.sealed import seal
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.check.network import PRIVATE

__all__ = ["busy", "is_so", "owner_of", "problems", "unfit", "unsupported"]

KINDS = ("", "veth", "bond", "team", "vlan")
"""What the kernel lets into a bridge, and what it makes sense to put there; ``""`` is a network card."""
UPPER = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap")


def owner_of(network: Network, *links: str) -> str:
    """Name who configures a link, the first of these that somebody does; iproute2 if nobody does."""
    return next((claim.owner for link in links for claim in network.claims_on(link)), "iproute2")


def unfit(network: Network, nic: str) -> str:
    """Say why a link cannot go into a bridge; empty if it can.

    The rules are the kernel's (br_add_if in net/bridge/br_if.c) and, where a bridge would be made but break
    something, those that experience has added: other links made on it, several managers, 802.1X.
    """
    link = network.link(nic)
    if link is None:
        fit = ", ".join(found.name for found in network.links if not unfit(network, found.name))
        return f"no such link on the host; these can be bridged: {fit or 'none'}"
    return _unfit_kind(link) or _unfit_place(network, link) or _unfit_owner(network, link)


def _unfit_kind(link: Link) -> str:
    if link.wireless:
        return (
            "a wireless card cannot be in a bridge, as access points take only its own MAC address; "
            "give VMs the network `default` (NAT)"
        )
    if link.kind == "bridge":
        return "it is itself a bridge; give VMs that one, or name the card in it"
    if link.type != "ether" or link.kind not in KINDS:
        return f"a link of kind {link.kind or link.type}; a network card, a bond or a VLAN is needed"
    return ""


def _unfit_place(network: Network, link: Link) -> str:
    if link.master:
        master = network.link(link.master)
        if master is not None and master.kind == "bridge":
            return f"it is in bridge {link.master} already; kk.plan_unbridge takes it out"
        return f"it is part of {link.master}: bridge {link.master} itself"
    upper = [other for other in network.links if other.lower == link.name and other.kind in UPPER]
    if upper:
        names = ", ".join(f"{other.name} ({other.kind})" for other in upper)
        vlan = next((other.name for other in upper if other.kind == "vlan"), "")
        way = f"bridge {vlan} instead" if vlan else "shut down what uses it first"
        return f"{names} is made on it and would be cut off: {way}"
    if link.up and not link.carrier:
        return "it has no carrier, so that nothing could be tried: is the cable in, the switch's port on?"
    return ""


def _unfit_owner(network: Network, link: Link) -> str:
    claims = network.claims_on(link.name)
    owners = [claim.owner for claim in claims]
    if len(owners) > 1:
        return f"{' and '.join(owners)} both configure it: decide for one, and have the other leave it alone"
    if owners and owners[0] not in get_args(Owner):
        return f"{owners[0]} configures it, which kvmkit does not do: {_other(network, owners[0], link.name)}"
    if link.name in network.eap:
        return "it logs in to its switch by 802.1X, which a bridge would not: use a port without"
    if link.kind in ("bond", "team", "vlan") and owners and owners[0] != "systemd-networkd":
        return f"kvmkit cannot rewrite a {link.kind} of {owners[0]}: make its bridge there by hand"
    return _unfit_claim(network, link, claims[0]) if claims else ""


def _unfit_claim(network: Network, link: Link, claim: Claim) -> str:
    if not link.up:
        return f"it is down, though {claim.owner} configures it: bring it up there first"
    if claim.owner == "NetworkManager":
        return _unfit_profile(claim)
    # ip shows no protocol of what it has made itself. networkd drops such routes when it configures a link.
    by_hand = [route_text(route) for route in network.routes_on(link.name) if not route.protocol]
    if by_hand and "networkd" in (claim.owner.removeprefix("systemd-"), claim.settings.get("renderer")):
        return (
            f"networkd configures it and would drop what it does not know of, {', '.join(by_hand)}: "
            "have it make such routes, or remove them"
        )
    return ""


def _unfit_profile(claim: Claim) -> str:
    if uuid := claim.settings.get(UNREADABLE):
        return (
            "its profile of NetworkManager has a value of several lines, which could pose as settings: it is "
            f"not read; look at it by nmcli connection show {uuid}"
        )
    if not claim.settings.get("connection.uuid"):
        return f"NetworkManager has no profile active on it: nmcli device connect {claim.nic}"
    if "externally" in claim.settings.get("GENERAL.STATE", ""):
        return (
            "NetworkManager only watches it, as something else has configured it, and would again: "
            f"let NetworkManager do it (nmcli device connect {claim.nic}), or not see it at all"
        )
    return ""


def _other(network: Network, owner: str, nic: str) -> str:
    if owner == "network-scripts":
        files = ifcfg.files(network, BridgeSpec(nic=nic)).items()
        told = "; ".join(f"{path}: {' '.join(text.split())}" for path, text in files)
        return f"write its two files by hand, and have a console at hand: {told}"
    return f"make the bridge there, or have it leave {nic} alone"


def unsupported(network: Network) -> str:
    """Say what of the whole host cannot be carried over to a bridge; empty if there is nothing."""
    if not network.facts.practice and network.facts.user != "root":
        return (
            f"{network.facts.user} may not change the network: connect as root "
            f"(qemu+ssh://root@HOST/system), or let {network.facts.user} use sudo without a password"
        )
    if network.rules:
        return (
            f"policy rules choose its routes, and a bridge is made without them: {'; '.join(network.rules)}"
        )
    multipath = [route.destination for route in network.routes if route.hops > 1]
    if multipath:
        return f"a route has several next hops, and they would be lost: {', '.join(multipath)}"
    return ""


def forged(told: Mapping[str, str], found: Mapping[str, bytes | None]) -> list[str]:
    """Name the files whose text, as the probe told it, is not what root's own reader found.

    What root runs or keeps is made of these texts, so they have to be the files' own. How a file's last line
    ends is not compared.
    """
    return [path for path, text in told.items() if path in found and not _is_text_of(path, found[path], text)]


def _is_text_of(path: str, content: bytes | None, text: str) -> bool:
    if content is None:
        return False
    return seal(path, content.decode(errors="replace")).rstrip("\n") == text.rstrip("\n")


def busy(network: Network) -> str:
    """Say who is changing the network right now; empty if nobody is."""
    if network.transactions:
        return "a change of its network is on trial: wait until that is confirmed or has put itself back"
    if network.checkpoints:
        return (
            "NetworkManager holds a checkpoint: another tool (nmstate, Cockpit) is changing the network, or "
            "was killed over it; wait for it, or restart NetworkManager"
        )
    return ""


def is_so(network: Network, spec: BridgeSpec) -> bool:
    """Whether the bridge stands as the spec asks."""
    bridge = network.link(spec.bridge)
    if bridge is None or bridge.bridge is None or spec.nic not in network.ports_of(spec.bridge):
        return False
    if bridge.bridge.stp is not spec.stp or (spec.stp and bridge.bridge.forward_delay != spec.forward_delay):
        return False
    own = [address.cidr for address in bridge.global_addresses if address.family == 4]
    right = {"keep": True, "dhcp": uses_dhcp(network, spec.bridge), "static": own == [spec.address]}
    return right[spec.addressing] and not network.known(spec.nic).global_addresses


def problems(network: Network, spec: BridgeSpec) -> Iterator[tuple[str, str]]:
    """Say, field by field, what of a spec does not fit the host."""
    reason_of_nic = unfit(network, spec.nic)
    if reason_of_nic:
        yield "nic", reason_of_nic
    found = network.link(spec.bridge)
    if found and found.bridge:
        ports = ", ".join(network.ports_of(spec.bridge)) or "none"
        yield "bridge", f"it is there already, not as asked for, with ports: {ports}; take another name"
    elif found:
        yield "bridge", f"there is a link of that name, of kind {found.kind or found.type}; take another"
    if spec.bridge.startswith(PRIVATE):
        yield "bridge", "libvirt, Docker or the like give such names to networks of their own; take another"
    if network.machine and not spec.allow_guest:
        reason = (
            f"the host is itself a virtual machine: {network.machine}. Such networks often drop what VMs on "
            "a bridge send. Give VMs the network `default` (NAT) or a routed one; or set it, knowing that"
        )
        yield "allow_guest", reason
    if not reason_of_nic and owner_of(network, spec.nic) == "iproute2":
        if spec.addressing == "dhcp":
            yield "addressing", "nobody configures the card, and so nobody would ask a DHCP server"
        if set(spec.servers) - set(network.dns.servers):
            yield "dns", "nobody configures the card, and so nobody would tell /etc/resolv.conf"
    yield from _address_problems(network, spec)


def _address_problems(network: Network, spec: BridgeSpec) -> Iterator[tuple[str, str]]:
    """Say what would cut one's own SSH session off for certain; the trial could never be confirmed."""
    session, nic = network.session, network.link(spec.nic)
    if spec.addressing != "static" or session is None or nic is None:
        return
    if session.server not in [address.address for address in nic.addresses if address.family == 4]:
        return  # IPv6 addresses stay
    own = ipaddress.IPv4Interface(spec.address)
    if session.server != str(own.ip):
        reason = (
            f"one's own SSH session comes to {session.server}, which would be gone, so that nobody could "
            "confirm: keep it, or connect by another card"
        )
        yield "address", reason
    elif not spec.gateway and ipaddress.IPv4Address(session.client) not in own.network:
        yield "gateway", f"needed: one's own SSH session comes from {session.client}, beyond {own.network}"
