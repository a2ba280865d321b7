"""What holds for the engine whoever owns the NIC: its watchdog, its one decision, its own way back."""

import time

import pytest

import kvmkit as kk
from kvmkit.bridge.script import changes_of
from kvmkit.bridge.transaction import Transaction
from kvmkit.prepare.root import each_as_root
from tests.lab.waiting import wait_until
from tests.netlab.conftest import Booted
from tests.netlab.scene import RUN, Scene, change_of, stalled
from tests.netlab.unmanaged import Ifupdown, Iproute2

PATIENT, GRACE = 60, 2


def trial_of(scene: Scene, name: str, seconds: int) -> Transaction:
    """Start a trial that nobody watches, and wait until the network is changed."""
    change = change_of(scene.plan())
    transaction = Transaction(each_as_root(scene.host), name)
    transaction.start(change.recipe, changes_of(change.recipe, change.files), seconds)
    scene.wait_for("applied")
    return transaction


def kill(scene: Scene, *roles: str) -> None:
    """Kill the watchdog (which has armed the trial) or its guard."""
    for role in roles:
        scene.machine.kill(int(scene.machine.path(f"{RUN}/trial/{role}").read_text()))


@pytest.mark.parametrize("roles", [("armed",), ("guard",)], ids=["watchdog", "guard"])
def test_the_host_puts_itself_back_though_one_of_them_is_killed(
    booted: Booted, roles: tuple[str, ...]
) -> None:
    scene = booted(Iproute2())
    transaction, before = trial_of(scene, "killed", PATIENT), stalled()

    kill(scene, *roles)
    scene.expire()

    assert scene.seconds("nobody confirmed in time", "restored") <= GRACE + stalled() - before
    scene.as_before()
    assert transaction.look().state == "restored"
    transaction.forget()
    scene.nothing_left()


@pytest.mark.parametrize(("word", "state"), [("keep", "kept"), ("restore", "restored")])
def test_who_decides_has_a_watchdog_again_though_both_were_killed(
    booted: Booted, word: str, state: str
) -> None:
    scene = booted(Iproute2())
    transaction = trial_of(scene, "both", PATIENT)

    kill(scene, "guard", "armed")
    standing = transaction.decide("keep" if word == "keep" else "restore")

    assert standing.state == state
    transaction.forget()
    scene.nothing_left()


@pytest.mark.parametrize("early", [0.3, 0.1, 0, -0.1])
def test_a_confirmation_at_the_last_moment_holds_or_does_not(booted: Booted, early: float) -> None:
    scene = booted(Iproute2())
    transaction = trial_of(scene, "race", 2)
    deadline = int(scene.machine.path(f"{RUN}/trial/deadline").read_text()) / 100
    # A connection takes that long; on a busy machine all of them come too late, which is no harm.
    wait_until(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) >= deadline - early, "the last moment")

    standing = transaction.decide("keep")

    transaction.forget()
    if standing.state == "restored":
        scene.as_before()
    else:
        assert standing.state == "kept"
        assert kk.plan_bridge(scene.host, kk.BridgeSpec(nic="eth0", allow_guest=True)).empty
    scene.nothing_left()


def test_keeping_goes_on_where_a_killed_watchdog_stopped(booted: Booted) -> None:
    scene = booted(Ifupdown())
    change = change_of(scene.plan())
    # Halfway between the files and the end.
    slow = change.recipe.model_copy(update={"keep": (("sleep", "3"),)})
    transaction = Transaction(each_as_root(scene.host), "resumed")
    transaction.start(slow, changes_of(slow, change.files), PATIENT)
    scene.wait_for("applied")
    scene.machine.run(["ln", "-s", "keep", f"{RUN}/trial/decision"])
    wait_until(lambda: "sleep 3" in scene.machine.processes(), "half of it is kept")

    kill(scene, "armed")
    standing = transaction.wait(PATIENT)

    assert standing.state == "kept"
    interfaces = scene.machine.path("/etc/network/interfaces")
    assert interfaces.read_text() == change.recipe.keep_files["/etc/network/interfaces"]
    assert not list(interfaces.parent.glob(".*kvmkit*"))
    transaction.forget()
    scene.nothing_left()


def test_a_trial_that_was_killed_while_it_was_sent_is_in_nobodys_way(booted: Booted) -> None:
    scene = booted(Iproute2())
    scene.machine.run(["mkdir", "-p", f"{RUN}/trial"])

    assert kk.apply(scene.plan(timeout=PATIENT)).ok
    scene.nothing_left()


def test_a_trial_that_is_not_sent_whole_changes_nothing(booted: Booted) -> None:
    scene = booted(Iproute2())
    change = change_of(scene.plan())
    transaction = Transaction(each_as_root(scene.host), "half")

    done = transaction._do("start", "half", "3", stdin="engine Og==\n")

    assert done.exit_code == 1
    assert "ended before all had arrived" in done.stderr
    scene.as_before()
    scene.nothing_left()
    # And is in nobody's way.
    transaction.start(change.recipe, [], PATIENT)
    assert transaction.decide("restore").state == "restored"
    transaction.forget()
    scene.as_before()
