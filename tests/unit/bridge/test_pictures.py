"""The network as it will be, what is expected of it, and whether a network that was found is that."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

import kvmkit as kk
from kvmkit.bridge import decide
from kvmkit.bridge.backends import iproute2
from kvmkit.bridge.compare import Expected, compare, expect, route_text
from kvmkit.bridge.draw import draw
from kvmkit.bridge.facts import DNS, Address, BridgeSettings, Network, Route, Way
from kvmkit.bridge.notes import notes
from kvmkit.bridge.picture import bridged, unbridged
from kvmkit.bridge.plan import BACKENDS
from kvmkit.bridge.spec import BridgeSpec
from tests.unit.bridge.networks import DEFAULT, MAC, NEAR, NIC, networks, plain, planned, with_nic

SPEC = BridgeSpec(nic="eth0")


def failing(expected: Expected, network: Network) -> dict[str, str]:
    return {row.check: row.found for row in compare(expected, network) if row.status is not kk.Status.PASS}


def test_addresses_and_routes_move_to_the_bridge() -> None:
    after = bridged(plain(), SPEC)
    br0, eth0 = after.known("br0"), after.known("eth0")
    assert br0.cidrs == ("192.168.0.100/24",)
    assert (br0.mac, br0.mtu, br0.up) == (MAC, 1500, True)
    assert eth0.addresses == ()
    assert after.ports_of("br0") == ("eth0",)
    assert set(after.routes) == {replace(DEFAULT, dev="br0"), replace(NEAR, dev="br0")}
    assert after.ways["10.0.0.2"].dev == "br0"


def test_a_static_address_brings_its_routes_and_keeps_what_finds_its_way() -> None:
    routes = (
        replace(DEFAULT, metric=100),
        replace(NEAR, metric=100),
        Route("10.9.0.0/16", gateway="192.168.0.2", dev="eth0"),
        Route("10.8.0.0/16", gateway="172.16.0.2", dev="eth0"),
        Route("fd01::/64", family=6, gateway="fd00::2", dev="eth0"),
        Route("172.16.0.0/12", dev="eth1"),
    )
    spec = BridgeSpec(
        nic="eth0", addressing="static", address="192.168.0.7/25", gateway="192.168.0.3", dns="192.168.0.3"
    )
    after = bridged(plain(routes=routes), spec)
    assert {route_text(route) for route in after.routes_on("br0")} == {
        "192.168.0.0/25 src 192.168.0.7 metric 100",
        "default via 192.168.0.3 metric 100",
        "10.9.0.0/16 via 192.168.0.2",
        "fd01::/64 via fd00::2",
    }
    assert [route.destination for route in after.routes_on("eth1")] == ["172.16.0.0/12"]
    assert after.dns == DNS(("192.168.0.3",))


def test_what_dhcp_will_give_is_not_drawn_unless_it_is_what_it_gave() -> None:
    spec = BridgeSpec(nic="eth0", addressing="dhcp")
    assert bridged(plain(), spec).known("br0").addresses == ()
    leased = with_nic(addresses=(replace(NIC.addresses[0], dynamic=True),))
    assert bridged(leased, spec).link("br0") == bridged(leased, SPEC).link("br0")


def test_taking_the_bridge_away_gives_the_picture_from_before() -> None:
    before = plain()
    again = unbridged(bridged(before, SPEC), "br0", "eth0")
    assert expect(again, "eth0", gone="br0") == expect(before, "eth0", gone="br0")
    assert again.link("br0") is None


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (DEFAULT, "default via 192.168.0.1"),
        (NEAR, "192.168.0.0/24 src 192.168.0.100"),
        (
            Route("default", family=6, gateway="fe80::1", metric=1024),
            "default (IPv6) via fe80::1 metric 1024",
        ),
        (Route("10.0.0.0/8", kind="blackhole"), "blackhole 10.0.0.0/8"),
        (
            Route("10.0.0.0/8", gateway="10.1.1.1", onlink=True, mtu=1400),
            "10.0.0.0/8 via 10.1.1.1 mtu 1400 onlink",
        ),
    ],
)
def test_a_route_in_ips_words(route: Route, text: str) -> None:
    assert route_text(route) == text


AFTER = bridged(plain(), SPEC)
EXPECTED = expect(AFTER, "br0")


def changed(name: str, **changes: Any) -> Network:
    found = tuple(replace(link, **changes) if link.name == name else link for link in AFTER.links)
    return replace(AFTER, links=found)


def test_the_picture_itself_holds_and_the_articles_check_is_its_first_row() -> None:
    rows = compare(EXPECTED, AFTER)
    assert {row.status for row in rows} == {kk.Status.PASS}
    assert rows[0].check == "address on br0"
    assert rows[0].found == "192.168.0.100/24"


BOTH = (*NIC.addresses, Address("192.168.0.9", 24))


@pytest.mark.parametrize(
    ("network", "row", "found"),
    [
        (plain(), "br0", "there are eth0, lo"),
        (changed("br0", addresses=()), "address on br0", "192.168.0.100/24 is not on br0"),
        (changed("br0", addresses=BOTH), "address on br0", "192.168.0.9/24 is on br0, and should not be"),
        (changed("eth0", addresses=NIC.addresses), "address on eth0", "192.168.0.100/24 is still on eth0"),
        (changed("br0", up=False), "br0", "br0 is down"),
        (changed("br0", mac="52:54:00:00:00:09"), "br0", "its MAC address is 52:54:00:00:00:09"),
        (changed("br0", bridge=None), "br0", "br0 is no bridge"),
        (changed("br0", bridge=BridgeSettings(stp=True)), "br0", "STP is on"),
        (changed("eth0", master=""), "port", "eth0 is in no bridge"),
        (changed("eth0", master="br1"), "port", "eth0 is in br1"),
        (changed("eth0", carrier=False), "port", "eth0 has no carrier"),
        (changed("eth0", port_state="learning"), "port", "br0 does not forward to eth0 yet: learning"),
        (
            replace(AFTER, links=tuple(link for link in AFTER.links if link.name != "eth0")),
            "port",
            "there is no link eth0",
        ),
        (replace(AFTER, routes=AFTER.routes[1:]), "routes", "no route default via 192.168.0.1"),
        (
            replace(AFTER, routes=tuple(replace(route, metric=425) for route in AFTER.routes)),
            "routes",
            "route default via 192.168.0.1 metric 425 is new",
        ),
        (
            replace(AFTER, routes=(*AFTER.routes, DEFAULT)),
            "routes",
            "route default via 192.168.0.1 still leaves by eth0",
        ),
        (replace(AFTER, ways={}), "reach", "10.0.0.2 does not answer"),
        (
            replace(AFTER, ways={**AFTER.ways, "192.168.0.1": Way("br0", False)}),
            "reach",
            "192.168.0.1 does not answer",
        ),
        (
            replace(AFTER, ways={**AFTER.ways, "10.0.0.2": Way("eth0", True)}),
            "reach",
            "the way to 10.0.0.2 is by eth0",
        ),
        (replace(AFTER, dns=DNS(())), "DNS", "192.168.0.1 is not asked any more"),
    ],
)
def test_each_point_that_does_not_hold_is_named(network: Network, row: str, found: str) -> None:
    assert found in failing(EXPECTED, network)[row]


def test_protocol_and_order_of_routes_do_not_matter_and_neither_do_link_local_ones() -> None:
    routes = tuple(replace(route, protocol="static") for route in reversed(AFTER.routes))
    local = Route("fe80::/64", family=6, dev="eth0", protocol="kernel", metric=256)
    assert failing(EXPECTED, replace(AFTER, routes=(*routes, local))) == {}


def test_autoconfigured_addresses_may_change() -> None:
    before = with_nic(addresses=(*NIC.addresses, Address("2001:db8::5", 64, dynamic=True)))
    own = Route("2001:db8::/64", family=6, dev="eth0", protocol="kernel", metric=256)
    before = replace(before, routes=(*before.routes, own))
    expected = expect(bridged(before, SPEC), "br0")
    assert expected.addresses == ("192.168.0.100/24",)
    assert (
        failing(
            expected, changed("br0", addresses=(*NIC.addresses, Address("2001:db8::6", 64, dynamic=True)))
        )
        == {}
    )


def test_dhcp_may_give_any_address_but_has_to_give_one() -> None:
    expected = EXPECTED.model_copy(update={"dhcp": True, "addresses": (), "routes": ()})
    assert failing(expected, changed("br0", addresses=(Address("192.168.0.7", 24, dynamic=True),))) == {}
    assert "no DHCP server answered" in failing(expected, changed("br0", addresses=()))["address on br0"]
    assert "no default route" in failing(expected, replace(AFTER, routes=()))["routes"]


def test_dhcp_is_for_ipv4_alone() -> None:
    fixed, leased = Address("fd00::5", 64), Address("192.168.0.7", 24, dynamic=True)
    expected = EXPECTED.model_copy(update={"dhcp": True, "addresses": ("fd00::5/64",), "routes": ()})
    assert failing(expected, changed("br0", addresses=(fixed, leased))) == {}
    assert (
        "fd00::5/64 is not on br0" in failing(expected, changed("br0", addresses=(leased,)))["address on br0"]
    )


def test_after_a_way_back_the_bridge_is_gone() -> None:
    back = expect(plain(), "eth0", gone="br0")
    assert failing(back, plain()) == {}
    assert failing(back, AFTER)["br0"] == "still there"


def test_what_is_expected_can_be_kept_as_json() -> None:
    assert Expected.model_validate_json(EXPECTED.model_dump_json()) == EXPECTED


def test_the_drawing_shows_both_and_is_a_good_svg() -> None:
    picture = draw(plain(), AFTER, "eth0", "br0")
    assert picture.text.splitlines()[0].split() == ["before", "after"]
    assert "in br0, without an address" in picture.text
    assert picture.text.splitlines()[-1].strip() == "VMs"
    assert picture.svg.startswith("<svg")
    assert picture.svg.count("192.168.0.100/24") == 2  # in each panel


@given(planned())
def test_every_spec_on_every_host_is_refused_with_a_reason_or_leaves_a_whole_picture(
    case: tuple[Network, BridgeSpec],
) -> None:
    network, spec = case
    problems = dict(decide.problems(network, spec))
    if problems:
        assert all(problems.values())
        assert set(problems) <= set(BridgeSpec.model_fields)
        return
    after = bridged(network, spec)
    expected = expect(after, spec.bridge)
    # Nothing is lost, nothing is left behind, and nobody else is touched.
    assert failing(expected, after) == {}
    before, bridge = network.known(spec.nic), after.known(spec.bridge)
    assert after.known(spec.nic).addresses == ()
    assert after.routes_on(spec.nic) == ()
    assert bridge.mac == before.mac
    kept = [address for address in before.global_addresses if address.family == 6]
    if spec.addressing == "keep":
        kept = list(before.global_addresses)
        assert len(after.routes_on(spec.bridge)) == len(network.routes_on(spec.nic))
    assert set(kept) <= set(bridge.addresses)
    others = [link for link in network.links if link.name != spec.nic]
    assert [link for link in after.links if link.name not in (spec.nic, spec.bridge)] == others
    assert draw(network, after, spec.nic, spec.bridge).svg
    assert all(notes(network, spec))
    # Plain ip can make every picture, and take it away.
    assert iproute2.bridge(network, spec).trial_files
    assert iproute2.unbridge(after, spec.bridge).trial_files


@given(planned())
def test_a_bridge_that_is_taken_away_leaves_the_picture_from_before(case: tuple[Network, BridgeSpec]) -> None:
    network, spec = case
    if spec.addressing != "keep" or dict(decide.problems(network, spec)):
        return
    again = unbridged(bridged(network, spec), spec.bridge, spec.nic)
    before = expect(network, spec.nic, gone=spec.bridge)
    # A card that was down works now.
    assert expect(again, spec.nic, gone=spec.bridge) == before.model_copy(update={"up": True})


@given(networks)
def test_what_is_not_fit_says_why_and_what_is_fit_is_a_card_without_a_master(network: Network) -> None:
    for link in network.links:
        if decide.unfit(network, link.name):
            continue
        assert not link.master
        assert not link.wireless
        assert link.kind not in ("bridge", "tun", "macvtap", "dummy")
        assert len(network.claims_on(link.name)) <= 1
        assert decide.owner_of(network, link.name) in BACKENDS
