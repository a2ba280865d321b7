"""The picture of what is plugged together, from networks and VMs written down here."""

from typing import Any

import pandas as pd
import pytest
from lxml import etree

import kvmkit as kk
from kvmkit.bridge import topology
from kvmkit.bridge.facts import Address, BridgeSettings, Link, Network
from kvmkit.bridge.picture import bridged
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.drawing import Picture
from tests.unit.bridge.networks import plain
from tests.unit.test_drawing import nothing_is_outside

VIRBR0 = Link(
    "virbr0", 7, "bridge", up=True, addresses=(Address("192.168.122.1", 24),), bridge=BridgeSettings()
)
ETH1 = Link("eth1", 3, up=True)
ETH2 = Link("eth2", 4)


def on_host(monkeypatch: pytest.MonkeyPatch, *links: Link, off: str = "", **vms: str) -> Picture:
    """Draw the article's host with br0 and these links, and with VMs of these cards."""
    before = bridged(plain(), BridgeSpec(nic="eth0"))
    host = kk.connect("test:///default")
    known = Network(links=(*before.links, *links))
    monkeypatch.setattr(topology, "read_network", lambda _host: known)
    with host.changing("define VMs") as connection:
        for name, cards in vms.items():
            made = connection.defineXML(
                f"<domain type='kvm'><name>{name}</name><memory>1024</memory>"
                f"<os><type arch='x86_64'>hvm</type></os><devices>{cards}</devices></domain>"
            )
            if name != off:
                made.create()
    return kk.topology(host)


def card(kind: str, **source: str) -> str:
    return f"<interface type='{kind}'>{etree.tostring(etree.Element('source', source)).decode()}</interface>"


def test_vms_are_on_their_bridge_or_network_whether_they_run_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    both = card("bridge", bridge="br0") + card("network", network="default")
    picture = on_host(monkeypatch, VIRBR0, web1=card("bridge", bridge="br0"), web2=both, off="web2")

    assert repr(picture).splitlines() == [
        "br0: bridge, 192.168.0.100/24",
        "  card eth0: up",
        "  VM web1: running, by testnet0",
        "  VM web2: shut off",
        "virbr0: network default, NAT, 192.168.122.1/24",
        "  VM demo: running, by testnet0",
        "  VM web2: shut off",
    ]


def test_cards_in_no_bridge_and_vms_on_none_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = on_host(
        monkeypatch, ETH1, ETH2, a=card("direct", dev="eth1"), b="<interface type='user'/>", c="", off="c"
    )

    assert repr(picture).splitlines()[2:] == [
        "eth1: macvtap, no address, no carrier",
        "  VM a: running, by testnet0",
        "eth2: no bridge, no address, down",
        "virbr0: network default, NAT",
        "  VM demo: running, by testnet0",
        "without a network card:",
        "  VM c: shut off",
        "QEMU's own network, NAT:",
        "  VM b: running, by testnet0",
    ]


def test_a_network_that_is_off_and_one_of_a_bridge_of_the_hosts_are_said_to_be_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Written down, as the practice host keeps no network that is off.
    columns = ("active", "forward", "bridge")
    rows = {
        "lan": (True, "bridge", "br0"),
        "default": (False, "nat", "virbr0"),
        "alone": (True, "", "virbr7"),
    }
    known = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    monkeypatch.setattr(topology, "networks", lambda _host: known)
    picture = on_host(monkeypatch, web1=card("network", network="lan"), off="web1")

    assert repr(picture).splitlines() == [
        "br0: network lan, bridge, 192.168.0.100/24",
        "  card eth0: up",
        "  VM web1: shut off",
        "virbr0: network default, NAT, inactive",
        "  VM demo: running, by testnet0",
        "virbr7: network alone, isolated",
    ]


def test_the_taps_of_vms_are_no_cards_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    tap = Link("testnet0", 9, "tun", up=True, carrier=True, master="virbr0")

    assert repr(on_host(monkeypatch, VIRBR0, tap)) == repr(on_host(monkeypatch, VIRBR0))


def test_what_is_off_is_drawn_with_broken_lines_and_all_names_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "w" * 64
    wide = Link(
        "enx525400a80064ab", 5, master="br0", up=True, addresses=(Address("2001:db8:" + "f" * 30, 64),)
    )
    cards = card("bridge", bridge="br0")
    picture = on_host(monkeypatch, wide, **{long: cards, "b": cards, "c": cards}, off=long)
    svg: Any = etree.fromstring(picture.svg)

    nothing_is_outside(picture.svg)
    broken = [shape for shape in svg.iter("{*}rect", "{*}line") if shape.get("stroke-dasharray")]
    assert len(broken) == 2  # the VM that is off, and its cable
    words = [text.text for text in svg.iter("{*}text")]
    assert "shut off" in words
    assert long not in words  # shortened
    assert long in picture.text
