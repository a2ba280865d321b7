"""A fault at any moment of a trial, again and again: the host is as before at the end of each."""

import contextlib
import random
import time
from collections.abc import Callable

from kvmkit.bridge.script import changes_of
from kvmkit.bridge.transaction import Transaction
from kvmkit.prepare.root import each_as_root
from tests.lab.machine import MachineError
from tests.lab.waiting import wait_until
from tests.netlab.conftest import Booted
from tests.netlab.lan import Owner
from tests.netlab.scene import RUN, Scene, change_of

ROUNDS = 50
SECONDS = 3
"""After which the host puts itself back; what happens to it happens within that time, or a little later."""

BY_NETWORKD = ("systemd-networkd", "netplan")
"""Owners that have networkd at work.

It loses the default route, with or without a trial before, if a cable is back before it has seen it go.
"""

Fault = Callable[[Scene], None]


def killing(role: str) -> Fault:
    """Kill one of a trial's processes, if there is one at that moment."""

    def kill(scene: Scene) -> None:
        with contextlib.suppress(FileNotFoundError, ValueError, MachineError):
            scene.machine.kill(int(scene.machine.path(f"{RUN}/trial/{role}").read_text()))

    return kill


def pull(scene: Scene) -> None:
    """Pull the cable."""
    scene.machine.cut()


def networkd_says(scene: Scene) -> list[str]:
    return scene.machine.run(["networkctl", "list", "--no-legend", "eth0"]).stdout.split()


def wait_for(seconds: float) -> None:
    """Let that much of a trial pass."""
    due = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= due, "the moment")


FAULTS: dict[str, Fault] = {
    "nothing": lambda scene: None,
    "the watchdog killed": killing("armed"),
    "its guard killed": killing("guard"),
    "the worker killed": killing("worker"),
    "the cable pulled": pull,
}


def test_the_host_is_as_before_whenever_a_fault_comes(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)
    change = change_of(scene.plan())
    for number in range(ROUNDS):
        chance = random.Random(f"{simple.name} {number}")  # noqa: S311 (no secret: the same in each run)
        name, moment = chance.choice(list(FAULTS)), chance.uniform(0, SECONDS + 0.5)
        print(f"round {number}: {name} after {moment:.2f} s")  # noqa: T201 (shown if it fails)
        transaction = Transaction(each_as_root(scene.host), f"round{number}")
        transaction.start(change.recipe, changes_of(change.recipe, change.files), SECONDS)
        wait_for(moment)

        FAULTS[name](scene)

        wait_until(lambda: not scene.machine.path(f"{RUN}/trial").exists(), "the trial has ended")
        if FAULTS[name] is pull and simple.name in BY_NETWORKD:
            wait_until(
                lambda: "no-carrier" in networkd_says(scene), "networkd has seen that the cable is out"
            )
        scene.machine.plug()
        scene.as_before()
        assert transaction.wait(60).state == "restored"
        transaction.forget()
        scene.nothing_left()
