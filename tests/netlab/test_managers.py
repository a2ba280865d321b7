"""Faults of the network managers themselves, while a bridge is on trial."""

from typing import Any

import pytest

import kvmkit as kk
from tests.lab.waiting import wait_until
from tests.netlab.conftest import Booted
from tests.netlab.managers import Netplan, Networkd, NetworkManager
from tests.netlab.scene import Scene, picture

PATIENT = 60
NM = "org.freedesktop.NetworkManager"
CHECKPOINT = (
    "busctl",
    "call",
    NM,
    f"/{NM.replace('.', '/')}",
    NM,
    "CheckpointCreate",
    "aouu",
    "0",
    "600",
    "0",
)

DAEMONS = [NetworkManager(), Networkd(), Netplan(Networkd()), Netplan(NetworkManager())]
IDS = ["NetworkManager", "systemd-networkd", "netplan-networkd", "netplan-NetworkManager"]


def network_of(found: dict[str, Any]) -> dict[str, Any]:
    """Give links and routes of a picture, without what only a daemon that runs has."""
    return {name: found[name] for name in ("links", "routes")}


@pytest.mark.multiplied
@pytest.mark.parametrize("owner", DAEMONS, ids=IDS)
def test_a_manager_that_is_killed(owner: NetworkManager | Networkd | Netplan, booted: Booted) -> None:
    scene = booted(owner)

    def kill(step: kk.Step, seconds: float) -> bool:
        scene.machine.kill(owner.pid(scene.machine))
        return False

    with pytest.raises(kk.ApplyFailed, match="not confirmed"):
        kk.apply(scene.plan(timeout=PATIENT), ask=kill)

    # The host is as before without it, and stays so when it is there again.
    wait_until(
        lambda: network_of(picture(scene.machine)) == network_of(scene.before), "the network is as before"
    )
    owner.start(scene.machine)
    scene.as_before()
    assert not scene.plan().empty


@pytest.mark.multiplied
@pytest.mark.parametrize("owner", DAEMONS, ids=IDS)
def test_a_manager_that_is_started_anew(owner: NetworkManager | Networkd | Netplan, booted: Booted) -> None:
    scene = booted(owner)

    def restart(step: kk.Step, seconds: float) -> bool:
        scene.machine.kill(owner.pid(scene.machine))
        owner.start(scene.machine)
        return False

    with pytest.raises(kk.ApplyFailed, match="not confirmed"):
        kk.apply(scene.plan(timeout=PATIENT), ask=restart)

    scene.as_before()


def test_a_manager_that_is_started_anew_keeps_what_is_kept(booted: Booted) -> None:
    owner = NetworkManager()
    scene = booted(owner)

    def restart(step: kk.Step, seconds: float) -> bool:
        scene.machine.kill(owner.pid(scene.machine))
        owner.start(scene.machine)
        return True

    report = kk.apply(scene.plan(timeout=PATIENT), ask=restart)

    assert report.ok
    assert kk.undo(report).ok
    scene.as_before()


def test_a_stale_checkpoint_of_networkmanager(booted: Booted) -> None:
    scene = booted(NetworkManager())
    scene.machine.run(CHECKPOINT)

    with pytest.raises(kk.Busy, match="checkpoint"):
        scene.plan()


def test_a_profile_in_networkmanagers_memory_alone(booted: Booted) -> None:
    scene = booted(NetworkManager())
    for words in (
        ("clone", "--temporary", "lan", "passing"),
        ("modify", "--temporary", "passing", "ipv4.routes", "10.8.0.0/16 192.168.0.2"),
        ("up", "passing"),
    ):
        scene.machine.run(["nmcli", "connection", *words])
    scene = Scene(scene.machine)

    report = kk.apply(scene.plan(timeout=PATIENT))

    assert any(route.startswith("10.8.0.0/16 ") for route in picture(scene.machine)["routes"]["-4"])
    assert kk.undo(report).ok
    scene.as_before()
