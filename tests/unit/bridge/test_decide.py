"""Every row of what is refused and what is warned of, on a plain host that differs in one thing."""

from dataclasses import replace
from typing import Any

import pytest

from kvmkit.bridge import decide
from kvmkit.bridge.facts import Address, BridgeSettings, Claim, Link, Network, Route, Session, Way
from kvmkit.bridge.notes import notes, notes_back
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.check.facts import Facts, Unit
from tests.unit.bridge.networks import DEFAULT, LO, NEAR, NIC, plain, with_links, with_nic

SPEC = BridgeSpec(nic="eth0")


def test_a_plain_card_can_be_bridged() -> None:
    assert decide.unfit(plain(), "eth0") == ""
    assert decide.owner_of(plain(), "eth0") == "ifupdown"
    assert dict(decide.problems(plain(), SPEC)) == {}
    assert decide.unsupported(plain()) == ""
    assert decide.busy(plain()) == ""


@pytest.mark.parametrize("kind", ["", "veth"])
@pytest.mark.parametrize("owner", ["", "ifupdown", "NetworkManager", "systemd-networkd", "netplan"])
def test_cards_of_every_owner_can_be_bridged(kind: str, owner: str) -> None:
    claims = (Claim(owner, "eth0", {"connection.uuid": "1"}),) if owner else ()
    network = replace(with_nic(kind=kind), claims=claims)
    assert decide.unfit(network, "eth0") == ""
    assert decide.owner_of(network, "eth0") == (owner or "iproute2")


def claimed(*owners: str, **settings: str) -> Network:
    said = {name.replace("_", "."): value for name, value in settings.items()}
    return plain(claims=tuple(Claim(owner, "eth0", said) for owner in owners))


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (plain(links=(LO,)), "no such link on the host; these can be bridged: none"),
        (with_nic(wireless=True), "access points take only its own MAC address"),
        (with_nic(type="loopback"), "a link of kind loopback"),
        (with_nic(kind="bridge", bridge=BridgeSettings()), "it is itself a bridge"),
        (with_nic(kind="tun"), "a link of kind tun"),
        (with_nic(kind="macvtap"), "a link of kind macvtap"),
        (with_nic(kind="dummy"), "a link of kind dummy"),
        (with_nic(type="infiniband"), "a link of kind infiniband"),
        (with_nic(carrier=False), "no carrier"),
        (
            plain(links=(LO, replace(NIC, master="bond0"), Link("bond0", 3, kind="bond"))),
            "it is part of bond0: bridge bond0 itself",
        ),
        (
            plain(
                links=(LO, replace(NIC, master="br1"), Link("br1", 3, kind="bridge", bridge=BridgeSettings()))
            ),
            "in bridge br1 already; kk.plan_unbridge takes it out",
        ),
        (with_links(Link("eth0.5", 3, kind="vlan", lower="eth0")), "bridge eth0.5 instead"),
        (with_links(Link("macvtap0", 3, kind="macvtap", lower="eth0")), "macvtap0 (macvtap) is made on it"),
        (with_links(Link("shim", 3, kind="macvlan", lower="eth0")), "shut down what uses it first"),
        (claimed("NetworkManager", "ifupdown"), "NetworkManager and ifupdown both configure it"),
        (claimed("wicked"), "wicked configures it, which kvmkit does not do"),
        (claimed("dhcpcd"), "or have it leave eth0 alone"),
        (claimed("network-scripts"), "ifcfg-br0: DEVICE=br0 TYPE=Bridge"),
        (plain(eap=frozenset({"eth0"})), "802.1X"),
        (claimed("NetworkManager"), "nmcli device connect eth0"),
        (
            claimed("NetworkManager", connection_uuid="1", GENERAL_STATE="100 (connected (externally))"),
            "something else has configured it",
        ),
        (
            replace(with_nic(kind="bond"), claims=(Claim("ifupdown", "eth0"),)),
            "cannot rewrite a bond of ifupdown",
        ),
    ],
)
def test_what_cannot_be_bridged_says_why(network: Network, reason: str) -> None:
    assert reason in decide.unfit(network, "eth0")
    assert reason in dict(decide.problems(network, SPEC))["nic"]


def test_a_veth_is_not_taken_for_a_vlan_on_its_other_end() -> None:
    network = with_links(Link("veth1", 3, kind="veth", lower="eth0"))
    assert decide.unfit(network, "eth0") == ""


def test_a_link_that_is_down_may_have_no_carrier() -> None:
    down = with_nic(up=False, carrier=False)
    assert decide.unfit(replace(down, claims=()), "eth0") == ""
    assert decide.unfit(down, "eth0") == "it is down, though ifupdown configures it: bring it up there first"


@pytest.mark.parametrize("claim", [("systemd-networkd", ""), ("netplan", "networkd")])
def test_networkd_drops_routes_that_it_has_not_made(claim: tuple[str, str]) -> None:
    made = claimed(claim[0], renderer=claim[1])
    by_hand = replace(made, routes=(*made.routes, Route("10.5.0.0/16", gateway="192.168.0.9", dev="eth0")))
    assert decide.unfit(made, "eth0") == ""
    assert "would drop what it does not know of, 10.5.0.0/16 via 192.168.0.9:" in decide.unfit(
        by_hand, "eth0"
    )


@pytest.mark.parametrize("name", ["virbr7", "docker1", "br-lan"])
def test_a_name_of_those_who_make_bridges_for_themselves_is_refused(name: str) -> None:
    found = dict(decide.problems(plain(), BridgeSpec(nic="eth0", bridge=name)))
    assert "Docker or the like" in found["bridge"]


@pytest.mark.parametrize("kind", ["bond", "vlan", "team"])
@pytest.mark.parametrize("claims", [(), (Claim("systemd-networkd", "eth0"),)])
def test_a_bond_or_vlan_of_networkds_or_nobodys_can_be_bridged(kind: str, claims: tuple[Claim, ...]) -> None:
    assert decide.unfit(replace(with_nic(kind=kind), claims=claims), "eth0") == ""


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (plain(facts=Facts(user="visitor")), "visitor may not change the network"),
        (plain(rules=("IPv4: priority 100 table vpn",)), "policy rules"),
        (plain(routes=(DEFAULT, replace(NEAR, hops=2))), "several next hops"),
    ],
)
def test_hosts_that_cannot_be_carried_over(network: Network, reason: str) -> None:
    assert reason in decide.unsupported(network)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (plain(transactions=("/run/kvmkit/trial/armed",)), "on trial"),
        (plain(checkpoints=1), "NetworkManager holds a checkpoint"),
    ],
)
def test_a_network_that_somebody_is_changing_is_left_alone(network: Network, reason: str) -> None:
    assert reason in decide.busy(network)


def test_a_name_that_is_taken() -> None:
    network = with_links(Link("br0", 3, kind="bridge", bridge=BridgeSettings()))
    assert "with ports: none; take another name" in dict(decide.problems(network, SPEC))["bridge"]
    network = with_links(Link("br0", 3, kind="vlan"))
    assert "of kind vlan" in dict(decide.problems(network, SPEC))["bridge"]


def test_a_virtual_machine_is_refused_unless_it_is_allowed() -> None:
    network = plain(machine="kvm (Amazon EC2 t3.small)")
    assert "Amazon EC2" in dict(decide.problems(network, SPEC))["allow_guest"]
    allowed = BridgeSpec(nic="eth0", allow_guest=True)
    assert dict(decide.problems(network, allowed)) == {}
    assert any("Amazon EC2" in note and "WARNING" in note for note in notes(network, allowed))


def static(address: str, gateway: str = "", dns: str = "") -> BridgeSpec:
    return BridgeSpec(nic="eth0", addressing="static", address=address, gateway=gateway, dns=dns)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (static("192.168.0.100/24", "192.168.0.1"), ""),
        (static("192.168.0.100/24", "192.168.0.254"), ""),  # a wrong gateway is what a trial is for
        (static("192.168.0.101/24", "192.168.0.1"), "address"),
        (static("192.168.0.100/24"), "gateway"),
    ],
)
def test_an_address_that_would_cut_off_ones_own_session(spec: BridgeSpec, field: str) -> None:
    assert list(dict(decide.problems(plain(), spec))) == ([field] if field else [])


@pytest.mark.parametrize(
    "session",
    [None, Session("10.0.0.2", "172.16.0.1"), Session("fd00::1", "fd00::100")],
)
def test_another_address_is_fine_for_who_comes_another_way(session: Session | None) -> None:
    both = (*NIC.addresses, Address("fd00::100", 64))
    network = replace(with_nic(addresses=both), session=session)
    assert dict(decide.problems(network, static("192.168.0.7/24"))) == {}


def test_a_neighbour_needs_no_gateway() -> None:
    network = plain(session=Session("192.168.0.9", "192.168.0.100"))
    assert dict(decide.problems(network, static("192.168.0.100/24"))) == {}


def test_nobody_asks_for_a_lease_or_tells_a_resolver_of_other_servers() -> None:
    leased = BridgeSpec(nic="eth0", addressing="dhcp")
    assert dict(decide.problems(plain(), leased)) == {}
    assert "nobody would ask a DHCP server" in dict(decide.problems(plain(claims=()), leased))["addressing"]
    spec = static("192.168.0.100/24", "192.168.0.1", dns="192.168.0.1 9.9.9.9")
    assert dict(decide.problems(plain(), spec)) == {}
    assert "resolv.conf" in dict(decide.problems(plain(claims=()), spec))["dns"]


def bridged(**changes: Any) -> Network:
    bridge = Link("br0", 3, kind="bridge", addresses=NIC.addresses, bridge=BridgeSettings())
    port = replace(NIC, master="br0", addresses=())
    return plain(links=(LO, port, replace(bridge, **changes)))


@pytest.mark.parametrize(
    ("network", "spec", "so"),
    [
        (bridged(), SPEC, True),
        (bridged(), BridgeSpec(nic="eth0", bridge="br1"), False),
        (bridged(), static("192.168.0.100/24"), True),
        (bridged(), static("192.168.0.101/24"), False),
        (bridged(), BridgeSpec(nic="eth0", addressing="dhcp"), False),
        (bridged(), BridgeSpec(nic="eth0", stp=True, forward_delay=4), False),
        (bridged(bridge=BridgeSettings(True, 4)), BridgeSpec(nic="eth0", stp=True, forward_delay=4), True),
        (bridged(bridge=BridgeSettings(True, 15)), BridgeSpec(nic="eth0", stp=True, forward_delay=4), False),
        (bridged(bridge=BridgeSettings(False, 15)), SPEC, True),
        (plain(), SPEC, False),
        (with_links(Link("br0", 3, kind="vlan")), SPEC, False),
    ],
)
def test_a_bridge_that_stands_needs_nothing(network: Network, spec: BridgeSpec, so: bool) -> None:
    assert decide.is_so(network, spec) is so


DOCKER = Facts(user="root", units={"docker.service": Unit("active", "enabled")})
DROPPING = Facts(user="root", forward_policies=("ip filter: drop",), values={"call-iptables": "1"})
SLAAC = (*NIC.addresses, Address("2001:db8::5", 64, dynamic=True))


@pytest.mark.parametrize(
    ("network", "spec", "note"),
    [
        (plain(), SPEC, "eth0 is configured by ifupdown"),
        (plain(), SPEC, "your own SSH session from 10.0.0.2 goes by eth0"),
        (plain(session=None), SPEC, "you are on the host itself"),
        (plain(claims=()), SPEC, "WARNING: nobody would make the bridge again after a reboot"),
        (
            plain(),
            BridgeSpec(nic="eth0", stp=True, forward_delay=15),
            "expect a pause of 30 seconds, for STP",
        ),
        (plain(ways={"192.168.0.1": Way("eth0", False)}), SPEC, "192.168.0.1 answers neither"),
        (with_nic(addresses=(replace(NIC.addresses[0], dynamic=True),)), SPEC, "the same lease"),
        (plain(), BridgeSpec(nic="eth0", addressing="dhcp"), "WARNING: DHCP may give another address"),
        (
            with_nic(addresses=SLAAC),
            SPEC,
            "WARNING: IPv6 addresses from autoconfiguration may change: 2001:db8::5",
        ),
        (with_nic(addresses=()), SPEC, "it is for VMs alone"),
        (plain(zones={"eth0": "internal"}), SPEC, "--zone=internal --change-interface=br0"),
        (plain(facts=Facts(user="root", ufw=True)), SPEC, "ufw route allow in on br0"),
        (
            plain(users={"eth0": ("VM web1",)}),
            SPEC,
            "WARNING: VM web1 is defined on eth0, which will be a port",
        ),
        (plain(facts=DOCKER), SPEC, "WARNING: Docker runs: VMs on a bridge may be cut off"),
        (plain(facts=DROPPING), SPEC, "iptables -I FORWARD -m physdev --physdev-is-bridged -j ACCEPT"),
    ],
)
def test_what_the_maker_should_know_is_said(network: Network, spec: BridgeSpec, note: str) -> None:
    assert any(note in told for told in notes(network, spec))


@pytest.mark.parametrize(
    "network",
    [
        plain(),
        plain(facts=Facts(user="root", forward_policies=("ip filter: drop",))),
        plain(
            facts=Facts(user="root", values={"call-iptables": "1"}, forward_policies=("ip filter: accept",))
        ),
        plain(facts=Facts(user="root", units={"docker.service": Unit("inactive", "disabled")})),
        plain(
            claims=(Claim("NetworkManager", "eth0", {"connection.zone": "internal"}),),
            zones={"eth0": "internal"},
        ),
    ],
)
def test_no_warning_without_a_cause(network: Network) -> None:
    assert not [note for note in notes(network, SPEC) if note.startswith("WARNING")]


def test_the_end_of_a_bridge_warns_of_its_users_and_another_mac_and_zone() -> None:
    leased = (replace(NIC.addresses[0], dynamic=True),)
    network = replace(bridged(mac="52:54:00:00:00:09", addresses=leased), zones={"br0": "internal"})
    network = replace(network, users={"br0": ("VM web1",)})
    told = list(notes_back(network, "br0", "eth0"))
    assert told[0].startswith("WARNING: VM web1 is defined on br0")
    assert "another MAC address" in told[1]
    assert "--change-interface=eth0" in told[2]
    assert not list(notes_back(bridged(mac=NIC.mac), "br0", "eth0"))


def test_multipath_counts_wherever_it_goes() -> None:
    far = Route("10.0.0.0/8", hops=2)
    assert "10.0.0.0/8" in decide.unsupported(plain(routes=(DEFAULT, NEAR, far)))
