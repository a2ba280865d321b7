"""A bridge made, kept, and taken back, over SSH through the very NIC."""

import json

import pytest

import kvmkit as kk
from tests.lab.waiting import wait_until
from tests.netlab.conftest import Booted
from tests.netlab.lan import ADDRESS, GATEWAY, Guest, Lan, Owner, ip
from tests.netlab.scene import Picture, Scene, change_of, picture
from tests.netlab.unmanaged import Iproute2

SHOW = ("ip", "-json", "-4", "address", "show", "dev", "br0")
PATIENT = 60
"""Seconds for a trial that will be confirmed: a busy machine may take its time."""


def bridged(scene: Scene) -> Picture:
    """Draw what br0 with eth0 has to look like: all of eth0's on it; some leave eth0 a link-local address."""
    before = scene.before["links"]["eth0"]
    return {
        "br0": before | {"kind": "bridge"},
        "eth0": before | {"addresses": [], "master": "br0"},
    }


def routes_of(found: Picture, dev: str) -> list[str]:
    """Give the routes by a link, without its name; each link has a link-local network of its own."""
    routes = [*found["routes"]["-4"], *found["routes"]["-6"]]
    words = [route.split() for route in routes if f" dev {dev}" in route and not route.startswith("fe80:")]
    return sorted(" ".join(word for word in line if word not in ("dev", dev)) for line in words)


@pytest.mark.multiplied(keep=5)
def test_everything_moves_to_the_bridge_and_back(every: Owner, booted: Booted) -> None:
    scene = booted(every)
    plan = scene.plan(timeout=PATIENT)

    report = kk.apply(plan)

    assert report.ok
    wait_until(lambda: "tentative" not in scene.machine.run(["ip", "addr"]).stdout, "addresses are settled")
    after = picture(scene.machine)
    port = after["links"]["eth0"]
    port["addresses"] = [address for address in port["addresses"] if address[2] != "link"]
    assert {name: after["links"][name] for name in ("br0", "eth0")} == bridged(scene)
    assert routes_of(after, "br0") == routes_of(scene.before, "eth0")
    assert routes_of(after, "eth0") == []
    assert kk.plan_bridge(scene.host, kk.BridgeSpec(nic="eth0", allow_guest=True)).empty
    scene.nothing_left()

    assert kk.undo(report).ok

    scene.as_before()
    scene.nothing_left()


@pytest.mark.multiplied
def test_a_lease_is_kept(leased: Owner, booted: Booted) -> None:
    scene = booted(leased, dhcp=True)
    address = scene.machine.address

    report = kk.apply(scene.plan(timeout=PATIENT))

    assert report.ok
    assert next(found[0] for found in picture(scene.machine)["links"]["br0"]["addresses"]) == address
    scene.nothing_left()
    assert kk.undo(report).ok
    scene.as_before()


@pytest.mark.multiplied
def test_a_vm_on_the_bridge_gets_an_address_and_is_reached(simple: Owner, booted: Booted, lan: Lan) -> None:
    scene = booted(simple)
    report = kk.apply(scene.plan(timeout=PATIENT))

    with Guest() as guest:
        guest.plug_into(scene.machine, "br0")
        address = guest.ask_for_address()

        assert address
        lan.client.run(["ping", "-n", "-c", "1", "-W", "10", address])
        # Nor is it cut off.
        with pytest.raises(kk.KvmkitError, match=r"vnet0 .*would be cut off"):
            kk.undo(report)
        lan.client.run(["ping", "-n", "-c", "1", "-W", "10", address])


@pytest.mark.multiplied
def test_an_address_given_by_hand_instead_of_a_lease(leased: Owner, booted: Booted) -> None:
    scene = booted(leased, dhcp=True)
    # The one that one's own session comes to.
    spec = {"addressing": "static", "address": f"{scene.machine.address}/24", "gateway": GATEWAY}

    report = kk.apply(scene.plan(timeout=PATIENT, **spec))

    (found,) = (line for line in json.loads(scene.machine.run(SHOW).stdout) if line.get("addr_info"))
    assert not found["addr_info"][0].get("dynamic")
    assert kk.undo(report).ok
    scene.as_before()


def test_a_card_that_was_down_is_down_again(booted: Booted) -> None:
    scene = booted(Iproute2())

    report = kk.apply(scene.plan(nic="eth1", bridge="br1", timeout=PATIENT))

    assert picture(scene.machine)["links"]["eth1"]["operstate"] == "UP"
    assert kk.undo(report).ok
    scene.as_before()


@pytest.mark.multiplied
def test_an_address_given_by_hand(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)
    spec = {"addressing": "static", "address": f"{ADDRESS}/24", "gateway": GATEWAY}

    report = kk.apply(scene.plan(timeout=PATIENT, **spec))

    addresses = picture(scene.machine)["links"]["br0"]["addresses"]
    assert [address[:2] for address in addresses if address[2] == "global"] == [(ADDRESS, 24)]
    assert kk.undo(report).ok
    scene.as_before()


def test_a_firewall_that_cuts_vms_off_is_told_with_what_mends_it(booted: Booted, lan: Lan) -> None:
    scene = booted(Iproute2())
    scene.machine.run(["iptables", "-P", "FORWARD", "DROP"])
    plan = scene.plan(timeout=PATIENT)
    (warning,) = [note for note in plan.notes if "FORWARD drops" in note]

    kk.apply(plan)

    # The host itself is reached as ever: it has just confirmed.
    with Guest() as guest:
        guest.plug_into(scene.machine, "br0")
        ip(guest, "link set eth0 up", "addr add 192.168.0.210/24 dev eth0")
        ping = ["ping", "-n", "-c", "1", "-W", "2", "192.168.0.210"]
        assert lan.router.run(ping, check=False).returncode
        scene.machine.run(warning.rpartition(": ")[2].split())
        lan.router.run(ping)


@pytest.mark.multiplied
def test_a_second_card_keeps_its_routes(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)
    ip(
        scene.machine,
        *("link set eth1 up", "addr add 192.168.1.100/24 dev eth1"),
        "route add default via 192.168.1.1 dev eth1 metric 200",
    )
    scene = Scene(scene.machine)

    report = kk.apply(scene.plan(timeout=PATIENT))

    after = picture(scene.machine)
    assert after["links"]["eth1"] == scene.before["links"]["eth1"]
    assert routes_of(after, "eth1") == routes_of(scene.before, "eth1")
    assert routes_of(after, "br0") == routes_of(scene.before, "eth0")
    assert kk.undo(report).ok
    scene.as_before()


@pytest.mark.multiplied
def test_a_reboot_after_the_confirmation_keeps_it_where_somebody_has_written_it(
    simple: Owner, booted: Booted
) -> None:
    scene = booted(simple)
    plan = scene.plan(timeout=PATIENT)
    report = kk.apply(plan)
    after = picture(scene.machine)["links"]

    scene.machine.reboot()

    if change_of(plan).recipe.keep_files:
        wait_until(lambda: picture(scene.machine)["links"] == after, "the bridge is there again")
        assert kk.undo(report).ok
    scene.as_before()


@pytest.mark.multiplied
def test_what_a_bridge_was_made_of_comes_back_without_its_plan(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)
    kk.apply(scene.plan(timeout=PATIENT))

    report = kk.apply(kk.plan_unbridge(scene.host, "br0", timeout=PATIENT))

    assert report.ok
    scene.looks_like(scene.before | {"files": picture(scene.machine)["files"]})
    assert kk.undo(report).ok
