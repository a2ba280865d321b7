"""undo, and what is undone when a step fails, with steps that only write down what they do.

That the host is as before when the steps are real is shown in tests/practice and tests/realqemu.
"""

import errno
import os

import pytest

import kvmkit as kk
from kvmkit.journal import Entry
from tests.unit.world import URI, World, host, plan, state, step


def test_what_was_there_before_stays_after_undo(world: World) -> None:
    world.things = ["b"]
    kk.undo(kk.apply(plan()))

    assert world.things == ["b"]


def test_undo_takes_back_in_reverse(world: World) -> None:
    undone = kk.undo(kk.apply(plan()))

    assert world.did[3:] == ["unmake c", "unmake b", "unmake a"]
    assert world.things == []
    assert undone.ok
    assert undone.frame["check"].tolist() == ["undo: make c", "undo: make b", "undo: make a"]
    assert state() == ["undone"]


def test_what_is_taken_back_is_told(world: World) -> None:
    told: list[str] = []
    kk.undo(kk.apply(plan()), progress=told.append)

    assert told == ["undo: make c", "undo: make b", "undo: make a"]


def test_undo_goes_by_host_and_id_as_well(world: World) -> None:
    kk.apply(plan())
    kk.undo(host(), plan().id)

    assert world.things == []


def test_undo_twice_finds_nothing(world: World) -> None:
    report = kk.apply(plan())
    kk.undo(report)
    with pytest.raises(kk.NotFound, match=f"no applied plan '{plan().id}' to undo on {URI}; see kk.history"):
        kk.undo(report)

    assert world.did[-1] == "unmake a"


@pytest.mark.parametrize("plan_id", ["", "0123456789", "../../etc"])
def test_undo_of_what_was_never_applied_finds_nothing(world: World, plan_id: str) -> None:
    with pytest.raises(kk.NotFound, match="no applied plan"):
        kk.undo(host(), plan_id)


def test_undone_can_be_applied_again(world: World) -> None:
    kk.undo(kk.apply(plan()))
    kk.apply(plan())

    assert world.things == ["a", "b", "c"]
    assert state() == ["undone", "done"]


FAILURES = [
    *(
        RuntimeError("boom"),
        kk.LibvirtFailed("cannot create it"),
        OSError("No space left"),
        KeyboardInterrupt(),
    ),
]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", "abc")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_when_a_step_fails_all_is_as_before(
    world: World, moment: str, name: str, error: BaseException
) -> None:
    world.fails[f"{moment} make {name}"] = error
    with pytest.raises(kk.ApplyFailed) as caught:
        kk.apply(plan())

    assert world.things == []
    assert state() == ["undone"]
    said = str(caught.value)
    assert f"make things failed on {URI} at 'make {name}'" in said
    assert ("interrupted" if isinstance(error, KeyboardInterrupt) else str(error)) in said
    assert said.endswith("What had been done is undone: the host is as before.")
    assert caught.value.__cause__ is error


def test_the_report_of_a_failure_has_a_row_for_all_that_was_done_and_undone(world: World) -> None:
    world.fails["after make b"] = RuntimeError("boom")
    with pytest.raises(kk.ApplyFailed) as caught:
        kk.apply(plan())

    assert caught.value.report.frame[["check", "status", "found"]].values.tolist() == [
        ["make a", "PASS", "done"],
        ["make b", "FAIL", "RuntimeError: boom"],
        ["undo: make b", "PASS", "taken back"],
        ["undo: make a", "PASS", "taken back"],
    ]


def test_what_failed_before_it_changed_anything_is_not_taken_back(world: World) -> None:
    world.fails["before make c"] = RuntimeError("boom")
    with pytest.raises(kk.ApplyFailed):
        kk.apply(plan())

    assert world.did == ["make a", "make b", "unmake b", "unmake a"]


def test_after_a_loss_nothing_is_undone_and_the_plan_can_go_on(world: World) -> None:
    losing = plan(step("a"), step("b", lost="all that was on b"), step("c"))
    world.fails["before make c"] = RuntimeError("boom")
    with pytest.raises(kk.ApplyFailed, match="not undone, as this is gone for good: all that was on b"):
        kk.apply(losing)

    assert world.things == ["a", "b"]
    assert [p.id for p in kk.pending(host())] == [losing.id]
    world.fails.clear()
    kk.apply(losing)
    assert world.things == ["a", "b", "c"]
    assert kk.pending(host()) == []


def test_before_a_loss_a_failure_is_undone(world: World) -> None:
    world.fails["before make b"] = RuntimeError("boom")
    with pytest.raises(kk.ApplyFailed, match="the host is as before"):
        kk.apply(plan(step("a"), step("b", lost="all that was on b")))

    assert world.things == []


def test_undo_of_what_is_lost_is_refused_before_anything_is_touched(world: World) -> None:
    report = kk.apply(plan(step("a"), step("b", lost="all that was on b"), step("c")))
    with pytest.raises(kk.ApplyFailed, match="cannot be undone: all that was on b") as caught:
        kk.undo(report)

    assert world.things == ["a", "b", "c"]
    assert caught.value.report.frame["check"].tolist() == ["all that was on b"]
    assert state() == ["done"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_undo_that_fails_stops_says_so_and_can_go_on(world: World, moment: str) -> None:
    report = kk.apply(plan())
    world.fails[f"{moment} unmake b"] = RuntimeError("busy")
    with pytest.raises(kk.ApplyFailed, match=r"not wholly undone.*'make b': RuntimeError: busy"):
        kk.undo(report)

    assert "a" in world.things  # what the failed step may still need is left
    assert [p.id for p in kk.pending(host())] == [plan().id]


def test_an_undo_that_failed_is_finished_by_undo(world: World) -> None:
    report = kk.apply(plan())
    world.fails["before unmake b"] = RuntimeError("busy")
    with pytest.raises(kk.ApplyFailed):
        kk.undo(report)
    world.fails.clear()
    kk.undo(host(), report.plan_id)

    assert world.things == []
    assert kk.pending(host()) == []


def test_an_undo_that_failed_is_taken_forward_by_apply(world: World) -> None:
    report = kk.apply(plan())
    world.fails["before unmake a"] = RuntimeError("busy")
    with pytest.raises(kk.ApplyFailed):
        kk.undo(report)
    world.fails.clear()
    kk.apply(kk.pending(host())[0])

    assert world.things == ["a", "b", "c"]
    assert state() == ["done"]


@pytest.mark.parametrize(("made", "left"), [("done", "done"), ("started", "applying")])
def test_without_a_host_to_look_at_nothing_is_being_undone(
    world: World, monkeypatch: pytest.MonkeyPatch, made: str, left: str
) -> None:
    entry = Entry.begin(plan())
    entry.write(step=0, state=made)
    entry.write(state=left)

    def cut(*_: object) -> bool:
        raise kk.HostUnavailable("it has no power")

    with monkeypatch.context() as patched:
        patched.setattr("tests.unit.world.Thing.made", cut)
        with pytest.raises(kk.ApplyFailed, match="it has no power"):
            kk.undo(host(), plan().id)
    assert state() == [left]

    assert kk.undo(host(), plan().id).ok
    assert state() == ["undone"]


@pytest.mark.parametrize("record", range(1, 10))
def test_a_disk_that_fills_up_is_told_and_leaves_a_way_back(
    world: World, monkeypatch: pytest.MonkeyPatch, record: int
) -> None:
    left, fsync = [record], os.fsync

    def full(descriptor: int) -> None:
        left[0] -= 1
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(kk.KvmkitError, match="No space left on device") as told:
            kk.apply(plan())
    assert len(str(told.value).splitlines()) == 1

    for found in kk.pending(host()):
        kk.undo(host(), found.id)
    assert world.things == []
    assert kk.apply(plan()).ok


def test_when_taking_back_fails_too_both_are_told(world: World) -> None:
    world.fails = {"before make c": RuntimeError("boom"), "before unmake b": RuntimeError("busy")}
    with pytest.raises(kk.ApplyFailed, match=r"boom.*Taking it back failed too: .*busy.*kk\.pending\(host\)"):
        kk.apply(plan())

    assert [p.id for p in kk.pending(host())] == [plan().id]


def test_what_is_made_bit_by_bit_is_taken_back_though_it_is_not_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(kk.ApplyFailed, match="the host is as before"):
        kk.apply(plan(step("half of it", action="test-half")))

    assert world.did == ["begin half of it", "unmake half of it"]
