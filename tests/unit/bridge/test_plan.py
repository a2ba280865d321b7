"""Plans of bridges, links and bridges as frames: from networks that differ in one thing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import kvmkit as kk
from kvmkit.bridge import frames, plan
from kvmkit.bridge.compare import expect
from kvmkit.bridge.facts import BridgeSettings, Claim, Link, Network, Way
from kvmkit.bridge.picture import bridged as picture
from kvmkit.bridge.steps import Change
from tests.unit.bridge.networks import LO, MAC, NIC, plain, with_nic

URI = "test:///default"
On = Callable[[Network], kk.Host]


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> On:
    """Give the practice host another network."""

    def enter(network: Network) -> kk.Host:
        for module in (plan, frames):
            monkeypatch.setattr(module, "read_network", lambda _host, **_more: network)
        return kk.connect(URI)

    return enter


def unmanaged(**changes: Any) -> Network:
    return plain(claims=(), **changes)


def bridged(*links: Link, **changes: Any) -> Network:
    port = replace(NIC, master="br0", addresses=(), port_state="forwarding")
    bridge = Link("br0", 3, kind="bridge", mac=MAC, up=True, addresses=NIC.addresses, bridge=BridgeSettings())
    routes = tuple(replace(route, dev="br0") for route in plain().routes)
    ways = {"192.168.0.1": Way("br0", True)}
    found = (LO, port, replace(bridge, **changes), *links)
    return unmanaged(links=found, routes=routes, ways=ways, session=None)


def change_of(found: kk.Plan) -> Change:
    return Change(**found.steps[0].args)


def test_a_plan_tries_and_then_keeps(on: On) -> None:
    found = kk.plan_bridge(on(unmanaged()), kk.BridgeSpec(nic="eth0"))
    assert [step.action for step in found.steps] == ["bridge-trial", "bridge-keep"]
    assert [bool(step.ask) for step in found.steps] == [False, True]
    change = change_of(found)
    assert change.timeout == 60
    assert change.after.addresses == ("192.168.0.100/24",)
    assert change.after.reach == ("10.0.0.2", "192.168.0.1")
    assert (change.before.link, change.before.gone) == ("eth0", "br0")


def test_it_shows_both_pictures_all_commands_and_the_way_back(on: On) -> None:
    found = kk.plan_bridge(on(unmanaged()), kk.BridgeSpec(nic="eth0"))
    assert "in br0, without an address" in repr(found)
    html = found._repr_html_()
    assert "data:image/svg+xml" in html
    assert "ip -batch" in found.shown["Commands of the trial"]
    assert "ip -force" in found.shown["Commands by which it rolls back"]
    assert any("master br0" in text for text in found.shown.values())
    assert any(note.startswith("WARNING: nobody would make the bridge again") for note in found.notes)


@pytest.mark.parametrize("capture", ["ifupdown", "networkmanager", "networkd", "ifupdown-dhcp"])
@pytest.mark.parametrize(
    "words",
    [
        {},
        {"addressing": "dhcp"},
        {
            "addressing": "static",
            "address": "192.168.0.100/24",
            "gateway": "192.168.0.1",
            "stp": True,
            "forward_delay": 4,
        },
    ],
    ids=["keep", "dhcp", "static"],
)
def test_every_owner_gets_a_plan_that_shows_its_files(
    on: On, read_capture: Callable[[str], Network], capture: str, words: dict[str, Any]
) -> None:
    network = replace(read_capture(capture), session=None)
    found = kk.plan_bridge(on(network), kk.BridgeSpec(nic="eth0", allow_guest=True, **words))
    change = change_of(found)
    owner = next((claim.owner for claim in network.claims_on("eth0")), "iproute2")
    assert change.recipe.owner == change.back.owner == owner
    assert bool(change.recipe.keep_files) is (owner != "iproute2")
    assert set(change.files) == {*change.recipe.keep_files, *change.back.keep_files}
    for path in change.recipe.keep_files:
        assert f"+++ {path}" in found.shown[f"Written when confirmed: {path}"]


@pytest.mark.parametrize("capture", ["iproute2", "ifupdown", "networkmanager", "networkd"])
def test_a_bridge_of_every_owner_can_be_taken_away_and_made_again(
    on: On, read_capture: Callable[[str], Network], capture: str
) -> None:
    network = replace(read_capture(f"{capture}-bridged"), session=None)
    assert kk.plan_bridge(on(network), kk.BridgeSpec(nic="eth0")).empty
    change = change_of(kk.plan_unbridge(on(network), "br0"))
    was = read_capture(capture)
    assert change.recipe.owner == change.back.owner == next((claim.owner for claim in was.claims), "iproute2")
    assert change.after.addresses == expect(was, "eth0").addresses
    assert change.after.routes == expect(was, "eth0").routes
    assert bool(change.recipe.keep_files) is (capture != "iproute2")


def test_the_same_plan_has_the_same_id_and_is_good_as_json(on: On) -> None:
    first, second = (kk.plan_bridge(on(unmanaged()), kk.BridgeSpec(nic="eth0")) for _ in range(2))
    assert first.id == second.id
    assert kk.Plan.model_validate_json(first.model_dump_json()).id == first.id
    other = kk.plan_bridge(on(unmanaged()), kk.BridgeSpec(nic="eth0", bridge="br1"))
    assert other.id != first.id


def test_a_bridge_that_stands_is_nothing_to_do(on: On) -> None:
    assert kk.plan_bridge(on(bridged()), kk.BridgeSpec(nic="eth0")).empty


def test_a_refusal_names_field_value_and_reason(on: On) -> None:
    with pytest.raises(kk.InvalidSpec) as caught:
        kk.plan_bridge(on(with_nic(wireless=True)), kk.BridgeSpec(nic="eth0"))
    assert caught.value.errors["nic"].startswith("'eth0': a wireless card")


def test_a_network_that_is_on_trial_is_busy(on: On) -> None:
    with pytest.raises(kk.Busy, match="on trial"):
        kk.plan_bridge(on(unmanaged(transactions=("/run/kvmkit/trial/armed",))), kk.BridgeSpec(nic="eth0"))


def test_policy_rules_are_unsupported_whatever_the_spec(on: On) -> None:
    with pytest.raises(kk.Unsupported, match="policy rules"):
        kk.plan_unbridge(on(replace(bridged(), rules=("IPv4: priority 100",))), "br0")


@pytest.mark.parametrize(
    ("gateway", "reach"),
    [("192.168.0.1", ("10.0.0.2", "192.168.0.1")), ("192.168.0.254", ("10.0.0.2", "192.168.0.254"))],
)
def test_the_gateway_that_is_asked_for_has_to_answer(on: On, gateway: str, reach: tuple[str, ...]) -> None:
    spec = kk.BridgeSpec(nic="eth0", addressing="static", address="192.168.0.100/24", gateway=gateway)
    change = change_of(kk.plan_bridge(on(unmanaged()), spec))
    assert change.after.reach == reach
    assert f"default via {gateway}" in change.after.routes
    assert "default via 192.168.0.1" in change.before.routes


def test_dhcp_may_choose_where_nothing_was_leased(on: On) -> None:
    spec = kk.BridgeSpec(nic="eth0", addressing="dhcp")
    assert plan._expected(unmanaged(), picture(unmanaged(), spec), spec).dhcp
    leased = with_nic(addresses=(replace(NIC.addresses[0], dynamic=True),))
    expected = plan._expected(leased, picture(leased, spec), spec)
    assert not expected.dhcp
    assert expected.addresses == ("192.168.0.100/24",)


def test_who_does_not_answer_now_need_not_answer_then(on: On) -> None:
    ways = {"192.168.0.1": Way("eth0", False), "10.0.0.2": Way("eth0", True)}
    change = change_of(kk.plan_bridge(on(unmanaged(ways=ways)), kk.BridgeSpec(nic="eth0")))
    assert change.after.reach == ("10.0.0.2",)


def test_taking_a_bridge_away_is_the_same_backwards(on: On) -> None:
    found = kk.plan_unbridge(on(bridged()), "br0", timeout=30)
    change = change_of(found)
    assert (change.before.link, change.before.port) == ("br0", "eth0")
    assert (change.after.link, change.after.gone) == ("eth0", "br0")
    assert change.after.routes == change.before.routes
    assert change.timeout == 30
    assert found.picture.splitlines()[0].split() == ["before", "after"]


def test_a_bridge_with_stp_gets_the_time_that_it_needs_to_come_back(on: On) -> None:
    network = bridged(bridge=BridgeSettings(stp=True, forward_delay=15))
    assert change_of(kk.plan_unbridge(on(network), "br0", timeout=30)).timeout == 40


@pytest.mark.parametrize(
    ("network", "error", "reason"),
    [
        (plain(), kk.NotFound, "no bridge 'br0' on test:///default; there is: none"),
        (bridged(Link("vnet0", 4, kind="tun", master="br0")), kk.WrongState, "VMs are on br0 .*, by vnet0"),
        (bridged(Link("eth1", 4, master="br0")), kk.WrongState, r"has 2 ports \(eth0, eth1\)"),
        (
            plain(links=(LO, NIC, Link("br0", 3, kind="bridge", bridge=BridgeSettings()))),
            kk.WrongState,
            r"has 0 ports \(none\)",
        ),
        (replace(bridged(), claims=(Claim("wicked", "br0"),)), kk.Unsupported, "wicked configures br0"),
    ],
)
def test_a_bridge_that_is_not_to_be_taken_away(
    on: On, network: Network, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        kk.plan_unbridge(on(network), "br0")


def test_libvirts_own_bridge_is_left_alone(on: On) -> None:
    virbr = Link("virbr0", 5, kind="bridge", bridge=BridgeSettings())
    with pytest.raises(kk.Unsupported, match="made by libvirt"):
        kk.plan_unbridge(on(plain(links=(LO, NIC, virbr))), "virbr0")


def test_links_say_who_has_them_and_why_they_cannot_be_bridged(on: On) -> None:
    wlan = Link("wlan0", 4, wireless=True, mac=MAC)
    dark = Link("eth1", 5, mac=MAC, up=True)
    frame = kk.links(on(plain(links=(LO, NIC, wlan, dark))))
    assert list(frame.index) == ["eth0", "eth1", "lo", "wlan0"]
    eth0 = frame.loc["eth0"].to_dict()
    assert eth0 == {
        "kind": "card",
        "state": "up",
        "master": "",
        "addresses": "192.168.0.100/24",
        "dhcp": False,
        "gateway": "192.168.0.1",
        "owner": "ifupdown",
        "ssh": True,
        "mac": MAC,
        "mtu": 1500,
        "why_not": "",
    }
    assert frame.loc["eth1", "state"] == "no carrier"
    assert frame.loc["wlan0", "state"] == "down"
    assert "own MAC address" in str(frame.loc["wlan0", "why_not"])
    assert frame["ssh"].tolist() == [True, False, False, False]


def test_bridges_and_their_ports(on: On) -> None:
    virbr = Link("virbr0", 5, kind="bridge", up=True, bridge=BridgeSettings(stp=True, forward_delay=2))
    frame = kk.bridges(on(bridged(virbr)))
    assert [frame.loc["br0", name] for name in ("ports", "addresses", "stp", "private")] == [
        "eth0",
        "192.168.0.100/24",
        False,
        False,
    ]
    assert [frame.loc["virbr0", name] for name in ("ports", "up", "stp", "forward_delay", "private")] == [
        "",
        True,
        True,
        2,
        True,
    ]


def test_frames_of_a_host_without_bridges_have_the_same_columns(on: On) -> None:
    full, none = kk.bridges(on(bridged())), kk.bridges(on(plain()))
    assert list(none.dtypes.items()) == list(full.dtypes.items())
    assert none.index.name == full.index.name == "name"
