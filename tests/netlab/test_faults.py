"""Whatever goes wrong while a bridge is on trial, the host is as before, in time, and nothing is left."""

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

import kvmkit as kk
from kvmkit.bridge.script import FileChange, changes_of, taken_back
from kvmkit.bridge.transaction import Standing
from tests.lab.waiting import wait_until
from tests.netlab.conftest import Booted
from tests.netlab.lan import ADDRESS, GATEWAY, Lan, LanHost, Owner, ip
from tests.netlab.managers import Netplan, Networkd, NetworkManager
from tests.netlab.scene import Scene, altered, broken, change_of, interrupted, stalled

SECONDS = 3
"""After which a host puts itself back here."""
PATIENT = 60
"""For a trial that is to come as far as the question whether to keep it."""
GRACE = 2
"""Seconds that putting back may take beyond that."""
APPLY = """\
import sys, kvmkit as kk
plan = kk.Plan.model_validate_json(sys.stdin.readline())
kk.apply(plan, ask=lambda step, seconds: bool(sys.stdin.readline()))
"""
"""A caller who would wait for an answer for ever."""
FOLDERS = {
    "NetworkManager": "/etc/NetworkManager/system-connections",
    "ifupdown": "/etc/network",
    "netplan": "/etc/netplan",
    "systemd-networkd": "/etc/systemd/network",
}
"""Where an owner of a NIC keeps its configuration."""
FULL = """\
cp -a "$1" /tmp/folder
mount -t tmpfs -o size=1m tmpfs "$1"
cp -a /tmp/folder/. "$1"
chmod 755 "$1"
rm -r /tmp/folder
mount -o remount,size="$(df -k --output=used "$1" | tail -n 1 | tr -d ' ')k" "$1"
"""
"""Makes a folder one that has no space left."""

several_files = pytest.mark.parametrize(
    "owner",
    [NetworkManager(), Networkd(), Netplan(Networkd())],
    ids=["NetworkManager", "networkd", "netplan"],
)
"""Those who keep a bridge in more than one file; netplan with a lease."""

Ask = Callable[[kk.Step, float], bool]


class Outage:
    """How long the host may be away: what was promised, and what it had to wait for a processor meanwhile."""

    def __init__(self) -> None:
        self._stalled = stalled()

    def ends_in_time(self, said: str) -> None:
        found = re.search(r"([\d.]+) s after the change began", said)
        assert found
        assert float(found[1]) <= SECONDS + GRACE + stalled() - self._stalled


def fails(scene: Scene, plan: kk.Plan, ask: Ask | None = None) -> str:
    """Apply a plan that must fail, and return what is said of it; the host is as before by then."""
    with pytest.raises(kk.ApplyFailed) as failed:
        kk.apply(plan, ask=ask)
    scene.as_before()
    scene.nothing_left()
    assert "the host is as before" in str(failed.value)
    return str(failed.value)


@pytest.mark.multiplied
def test_a_wrong_address(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)
    plan, outage = scene.plan_to("192.168.0.222/24", GATEWAY), Outage()

    said = fails(scene, plan)

    assert "nobody confirmed in time" in said
    outage.ends_in_time(said)


@pytest.mark.multiplied
def test_a_wrong_gateway(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)
    plan = scene.plan(addressing="static", address=f"{ADDRESS}/24", gateway="192.168.0.254")
    outage = Outage()

    said = fails(scene, plan)

    assert "nobody confirmed in time" in said
    outage.ends_in_time(said)


@pytest.mark.multiplied
def test_a_command_that_fails_half_way(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)
    plan = altered(scene.plan(timeout=PATIENT), broken)

    said = fails(scene, plan)

    # At once, not at the deadline.
    assert "as a command failed" in said
    assert "nonsense" in said


@pytest.mark.multiplied
def test_a_command_that_hangs_half_way(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)
    plan = altered(scene.plan(), lambda recipe: interrupted(recipe, ["sleep", "600"]))
    outage = Outage()

    said = fails(scene, plan)

    outage.ends_in_time(said)


@pytest.mark.multiplied
def test_a_caller_that_is_killed(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)
    plan, outage = scene.plan(), Outage()
    with subprocess.Popen([sys.executable, "-c", APPLY], stdin=subprocess.PIPE) as caller:
        assert caller.stdin
        caller.stdin.write(f"{plan.model_dump_json()}\n".encode())
        caller.stdin.flush()
        scene.wait_for("applying")
        caller.kill()

    scene.wait_for("restored")

    outage.ends_in_time(Standing("restored", scene.log()).told)
    scene.as_before()
    assert [found.id for found in kk.pending(scene.host)] == [plan.id]
    assert kk.undo(scene.host, plan.id).ok
    scene.nothing_left()


@pytest.mark.multiplied
def test_nobody_confirms_until_it_is_too_late(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)
    before = stalled()

    def late(step: kk.Step, seconds: float) -> bool:
        scene.expire()
        assert scene.seconds("nobody confirmed in time", "restored") <= GRACE + stalled() - before
        return True

    said = fails(scene, scene.plan(timeout=PATIENT), late)

    assert "too late to keep it" in said
    assert "nobody confirmed in time" in said


@pytest.mark.multiplied
def test_a_person_says_no(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)

    said = fails(scene, scene.plan(timeout=PATIENT), lambda step, seconds: False)

    assert "not confirmed" in said


@pytest.mark.multiplied
def test_the_cable_is_pulled(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)

    def pull(step: kk.Step, seconds: float) -> bool:
        scene.machine.cut()
        scene.expire()
        scene.machine.plug()
        return True

    said = fails(scene, scene.plan(timeout=PATIENT), pull)

    assert "too late to keep it" in said


@pytest.mark.multiplied
def test_a_reboot_before_the_confirmation(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)

    def reboot(step: kk.Step, seconds: float) -> bool:
        scene.machine.reboot()
        return True

    said = fails(scene, scene.plan(timeout=PATIENT), reboot)

    assert "nothing is on trial" in said


@pytest.mark.multiplied
def test_a_disk_that_is_full_when_it_is_to_be_kept(lasting: Owner, booted: Booted) -> None:
    scene = booted(lasting)
    folder = FOLDERS[lasting.name]

    def fill(step: kk.Step, seconds: float) -> bool:
        scene.machine.run(["sh", "-ec", FULL, "sh", folder])
        return True

    said = fails(scene, scene.plan(timeout=PATIENT), fill)

    assert "could not be kept" in said
    assert "No space left on device" in said


@pytest.mark.multiplied
@several_files
def test_a_power_cut_between_two_files(owner: Owner, booted: Booted, lan: Lan) -> None:
    scene = booted(owner, dhcp=True)
    address, plan = scene.machine.address, scene.plan(timeout=PATIENT)
    change = change_of(plan)
    kk.apply(plan)

    for changes in (
        taken_back(change.recipe, change.files, change.back),
        changes_of(change.recipe, change.files),
    ):
        *some, last = changes
        assert some
        for file in some:
            written(scene.machine, file)
            scene.machine.reboot()
            assert scene.machine.address == address
            wait_until(lambda: answers(lan, address), "the host answers")
        written(scene.machine, last)


@pytest.mark.multiplied
@several_files
def test_what_a_power_cut_left_in_between_is_given_back(owner: Owner, booted: Booted) -> None:
    scene = booted(owner, dhcp=True)
    plan = scene.plan(timeout=PATIENT)
    change = change_of(plan)

    def lose_power(files: list[FileChange]) -> bool:
        for file in files[:-1]:
            written(scene.machine, file)
        scene.machine.reboot()
        return True

    said = fails(scene, plan, lambda step, seconds: lose_power(changes_of(change.recipe, change.files)))

    assert "nothing is on trial" in said

    report = kk.apply(plan)
    lose_power(taken_back(change.recipe, change.files, change.back))

    assert kk.undo(report).ok
    scene.as_before()
    scene.nothing_left()


def written(machine: LanHost, file: FileChange) -> None:
    """Do to a file what becomes of it."""
    path = machine.path(file.path)
    if file.source:
        path.write_bytes(machine.path(file.source).read_bytes())
    elif file.content is None:
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content)


def answers(lan: Lan, address: str) -> bool:
    return lan.client.run(["ping", "-n", "-c", "1", "-W", "2", address], check=False).returncode == 0


@pytest.mark.multiplied
def test_somebody_else_makes_the_bridge_meanwhile(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)
    plan = scene.plan()
    ip(scene.machine, "link add br0 type bridge")
    scene = Scene(scene.machine)

    said = fails(scene, plan)

    assert "br0: still there" in said
    with pytest.raises(kk.InvalidSpec, match="br0"):
        scene.plan()


@pytest.mark.multiplied
def test_one_trial_at_a_time(simple: Owner, booted: Booted) -> None:
    scene = booted(simple)

    def another(step: kk.Step, seconds: float) -> bool:
        with pytest.raises(kk.Busy, match="on trial"):
            scene.plan(bridge="br1")
        return False

    fails(scene, scene.plan(timeout=PATIENT), another)
