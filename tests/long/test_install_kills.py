"""The process is killed wherever an installation changes something; the installer goes on meanwhile."""

import pytest

import kvmkit as kk
from tests.lab.waiting import wait_until
from tests.realqemu.install import tiny
from tests.realqemu.vm.faults import KILLING, Points, nothing, run_until_killed
from tests.realqemu.vm.world import World

CHANGES = ("createXML", "send", "finish", "defineXML", "create", "setMetadata", "delete")
"""What an installation passes, beside the journal's records."""


@pytest.fixture
def plan(world: World, location: str) -> kk.Plan:
    """One that a person answers, so that its text is the whole of it."""
    return tiny.plan(world.host, location, tiny.ENDS, answers="none")


def points(plan: kk.Plan) -> list[tuple[int, str]]:
    """Install once, and give the points to be killed at: of a file's sending the first and the last alone."""
    with Points(KILLING, 0, nothing) as whole:
        report = kk.apply(plan)
    assert kk.undo(report).ok
    passed = whole.passed
    chosen = [
        (number, point)
        for number, point in enumerate(passed[:-1])
        if point != "after send" or not passed[number - 1] == passed[number + 1] == point
    ]
    assert {point for _, point in chosen} == {"record", *(f"after {change}" for change in CHANGES)}
    return chosen


def test_killed_anywhere_it_is_taken_back(world: World, plan: kk.Plan) -> None:
    before = world.state()
    for number, point in points(plan):
        run_until_killed(number, "apply", plan.model_dump_json())
        [left] = kk.pending(world.host)

        assert kk.undo(world.host, left.id).ok, f"{number} {point}"
        assert kk.pending(world.host) == []
        assert world.state() == before, f"{number} {point}"


def test_killed_anywhere_it_goes_on(world: World, plan: kk.Plan) -> None:
    before = world.state()
    for number, point in points(plan):
        run_until_killed(number, "apply", plan.model_dump_json())
        [left] = kk.pending(world.host)

        report = kk.apply(left)
        assert report.ok, f"{number} {point}"
        assert_installed(world)
        assert kk.undo(report).ok
        assert world.state() == before, f"{number} {point}"


def assert_installed(world: World) -> None:
    """The VM is what the plan promises, and the installer's files are gone."""
    xml = world.xml("small", kept=True)
    assert xml.find("os/kernel") is None
    assert xml.findtext("on_reboot") == "restart"
    assert kk.vms(world.host).loc["small", "state"] == "running"
    assert [name for name in kk.volumes(world.host).index if "small" in name] == ["small.qcow2"]
    assert kk.pending(world.host) == []


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


def test_killed_when_the_answers_were_sent_it_needs_them_no_more(
    world: World, location: str, printed: list[str]
) -> None:
    before, plan = world.state(), tiny.plan(world.host, location, tiny.ENDS)
    with Points(KILLING, 0, nothing) as whole:
        assert kk.undo(kk.apply(plan)).ok
    finished = [number for number, point in enumerate(whole.passed) if point == "after finish"]
    # The kernel is sent and read back, and the RAM disk.
    run_until_killed(finished[3] + 1, "apply with secrets", plan)
    [left] = kk.pending(world.host)

    report = kk.apply(left)
    assert_installed(world)
    assert "rootpw --iscrypted" in printed[-1]
    assert kk.undo(report).ok
    assert world.state() == before
