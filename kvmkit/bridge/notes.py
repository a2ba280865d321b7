"""What the maker of a bridge should know, with the command that mends it: nothing here is done by itself."""

from __future__ import annotations

from collections.abc import Iterator

from kvmkit.bridge.decide import owner_of
from kvmkit.bridge.facts import Network
from kvmkit.bridge.picture import uses_dhcp
from kvmkit.bridge.spec import BridgeSpec

__all__ = ["notes", "notes_back"]

PAUSE = {
    "NetworkManager": "a pause of about a second",
    "systemd-networkd": "a pause of some 20 milliseconds",
    "netplan": "a pause of about a second",
    "ifupdown": "a pause of 2 to 3 seconds",
    "iproute2": "no pause that could be measured",
}
"""How long packets were lost or late in the lab, by a peer that pinged every 5 milliseconds."""


def notes(network: Network, spec: BridgeSpec) -> Iterator[str]:
    """Say what was found, and warn."""
    owner = owner_of(network, spec.nic)
    yield f"{spec.nic} is configured by {'nobody' if owner == 'iproute2' else owner}"
    pause = f"a pause of {2 * spec.forward_delay} seconds, for STP" if spec.stp else PAUSE[owner]
    yield f"expect {pause}"
    if owner == "iproute2":
        yield "WARNING: nobody would make the bridge again after a reboot: have a network manager do it"
    if network.machine:
        yield f"WARNING: the host is virtual ({network.machine}), and its network may drop what VMs send"
    for user in network.users.get(spec.nic, ()):
        yield f"WARNING: {user} is defined on {spec.nic}, which will be a port: define it on {spec.bridge}"
    yield from _reach(network, spec)
    yield from _address_notes(network, spec)
    yield from _firewall(network, spec)


def _reach(network: Network, spec: BridgeSpec) -> Iterator[str]:
    session = network.session
    if session is None:
        yield "no SSH session of yours depends on it: you are on the host itself"
    elif (way := network.ways.get(session.client)) and way.dev == spec.nic:
        yield f"your own SSH session from {session.client} goes by {spec.nic}"
    for address, way in network.ways.items():
        if way.answers is False:
            yield f"{address} answers neither ping nor ARP now, and so is not judged by"


def _address_notes(network: Network, spec: BridgeSpec) -> Iterator[str]:
    nic = network.known(spec.nic)
    if spec.addressing != "static" and uses_dhcp(network, spec.nic):
        yield f"the bridge gets {spec.nic}'s MAC address and client id, so that DHCP gives it the same lease"
    elif spec.addressing == "dhcp":
        now = ", ".join(a.address for a in nic.global_addresses if a.family == 4) or "none"
        yield (
            f"WARNING: DHCP may give another address than now ({now}); a session to that one then dies, and "
            f"the host puts itself back. Reserve it for {nic.mac} at the DHCP server first"
        )
    auto = [address.address for address in nic.global_addresses if address.announced]
    if auto:
        yield f"WARNING: IPv6 addresses from autoconfiguration may change: {', '.join(auto)}"
    if not nic.global_addresses and spec.addressing == "keep":
        yield f"{spec.nic} has no address, and so the bridge gets none: it is for VMs alone"


def _firewall(network: Network, spec: BridgeSpec) -> Iterator[str]:
    zone = network.zones.get(spec.nic)
    carried = any(claim.settings.get("connection.zone") for claim in network.claims_on(spec.nic))
    if zone and not carried:
        yield (
            f"WARNING: {spec.nic} is in firewalld's zone {zone}, and {spec.bridge} will be in the default "
            f"one: firewall-cmd --permanent --zone={zone} --change-interface={spec.bridge}, then --reload"
        )
    facts = network.facts
    if facts.ufw:
        yield (
            f"WARNING: ufw's rules that name {spec.nic} do not count for {spec.bridge}; and for VMs: "
            f"ufw route allow in on {spec.bridge} out on {spec.bridge}"
        )
    docker = (facts.units or {}).get("docker.service")
    causes = ["Docker runs"] if docker and docker.active == "active" else []
    dropping = [policy for policy in facts.forward_policies or () if policy.endswith("drop")]
    if dropping and facts.values.get("call-iptables") == "1":
        causes.append(f"FORWARD drops ({', '.join(dropping)}) and netfilter sees bridges")
    if causes:
        yield (
            f"WARNING: {'; '.join(causes)}: VMs on a bridge may be cut off, though the host is not. Let them "
            "through: iptables -I FORWARD -m physdev --physdev-is-bridged -j ACCEPT"
        )


def notes_back(network: Network, bridge: str, port: str) -> Iterator[str]:
    """Say what the end of a bridge means."""
    for user in network.users.get(bridge, ()):
        yield f"WARNING: {user} is defined on {bridge} and could not start any more: edit it"
    if network.known(bridge).mac != network.known(port).mac and uses_dhcp(network, bridge):
        yield f"WARNING: {port} has another MAC address than {bridge}, and DHCP may give it another address"
    zone = network.zones.get(bridge)
    if zone and network.zones.get(port) != zone:
        yield (
            f"WARNING: {bridge} is in firewalld's zone {zone}: "
            f"firewall-cmd --permanent --zone={zone} --change-interface={port}, then --reload"
        )
