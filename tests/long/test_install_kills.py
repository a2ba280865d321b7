"""The process is killed wherever an installation changes something; the installer itself goes on meanwhile.

Nobody answers this one: what is secret would not reach a process that is given its plan as text.
"""

import pytest

import kvmkit as kk
from tests.lab.waiting import wait_until
from tests.realqemu.install import tiny
from tests.realqemu.vm.faults import KILLING, Points, nothing, run_until_killed
from tests.realqemu.vm.world import World


@pytest.fixture
def plan(world: World, location: str) -> kk.Plan:
    return tiny.plan(world.host, location, tiny.ENDS, answers="none")


def points(plan: kk.Plan) -> list[tuple[int, str]]:
    """Install once, and give the points at which to be killed: of each file's sending the first alone."""
    with Points(KILLING, 0, nothing) as whole:
        report = kk.apply(plan)
    assert kk.undo(report).ok
    passed = whole.passed[:-1]
    pairs = enumerate(zip(["", *passed], passed, strict=False))
    return [(n, point) for n, (before, point) in pairs if point != "after send" or before != "after send"]


def test_killed_anywhere_it_is_taken_back(world: World, plan: kk.Plan) -> None:
    before, chosen = world.state(), points(plan)
    for change in ("createXML", "send", "finish", "defineXML", "create", "setMetadata", "delete"):
        assert f"after {change}" in [point for _, point in chosen]
    for number, point in chosen:
        run_until_killed(number, "apply", plan.model_dump_json())
        [left] = kk.pending(world.host)

        assert kk.undo(world.host, left.id).ok, f"{number} {point}"
        assert world.state() == before, f"{number} {point}"


def test_killed_anywhere_it_goes_on(world: World, plan: kk.Plan) -> None:
    before = world.state()
    for number, point in points(plan):
        run_until_killed(number, "apply", plan.model_dump_json())
        [left] = kk.pending(world.host)

        report = kk.apply(left)
        assert report.ok, f"{number} {point}"
        assert world.xml("small", kept=True).find("os/kernel") is None, f"{number} {point}"
        assert [name for name in kk.volumes(world.host).index if "small" in name] == ["small.qcow2"]
        assert kk.undo(report).ok
        assert world.state() == before, f"{number} {point}"


def test_an_installer_that_ends_while_nobody_watches_is_not_run_again(world: World, plan: kk.Plan) -> None:
    [number] = [number for number, point in points(plan) if point == "after setMetadata"]
    run_until_killed(number, "apply", plan.model_dump_json())
    wait_until(
        lambda: kk.vms(world.host).loc["small", "state"] == "shut off", "the installer has ended", timeout=600
    )
    [left] = kk.pending(world.host)
    with Points(("after",), 0, nothing) as rest:
        assert kk.apply(left).ok

    assert rest.passed.count("after create") == 1  # the first boot of what it left


def test_killed_before_the_answers_were_sent_it_says_what_to_do(world: World, location: str) -> None:
    before, plan = world.state(), tiny.plan(world.host, location, tiny.ENDS)
    run_until_killed(3, "apply", plan.model_dump_json())  # the kernel's volume is there
    [left] = kk.pending(world.host)
    with pytest.raises(kk.ApplyFailed, match=r"ks\.cfg may hold secrets, so no journal has them"):
        kk.apply(left)

    assert world.state() == before
    assert kk.apply(tiny.plan(world.host, location, tiny.ENDS)).ok
