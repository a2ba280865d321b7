"""apply, with steps that only write down what they do.

That the host is as promised when the steps are real is shown in tests/practice and tests/realqemu.
"""

import pytest
from pydantic import SecretStr

import kvmkit as kk
from kvmkit.journal import Entry, entries
from tests.unit.world import URI, World, host, plan, state, step


def test_steps_are_made_in_order_and_told_row_by_row(world: World) -> None:
    report = kk.apply(plan())

    assert world.did == ["make a", "make b", "make c"]
    assert report.ok
    assert report.plan_id == plan().id
    assert report.frame[["check", "status", "found"]].values.tolist() == [
        [f"make {name}", "PASS", "done"] for name in "abc"
    ]
    assert state() == ["done"]


def test_who_watches_is_told_what_is_being_done(world: World) -> None:
    world.things = ["b"]
    told: list[str] = []
    kk.apply(plan(), progress=told.append)
    kk.apply(plan(step("d")))  # of which nobody wants to know

    assert told == ["make a", "make c"]


def test_what_a_step_notes_is_told_and_reported_before_it(world: World) -> None:
    told: list[str] = []
    report = kk.apply(plan(step("a", action="test-talking")), progress=told.append)

    assert told == ["make a", "3 s: something"]
    assert report.frame[["check", "found"]].values.tolist() == [["3 s", "something"], ["make a", "done"]]


def test_what_a_step_noted_is_reported_if_it_fails(world: World) -> None:
    world.fails["before make a"] = RuntimeError("boom")
    with pytest.raises(kk.ApplyFailed) as failed:
        kk.apply(plan(step("a", action="test-talking")))

    assert [row.check for row in failed.value.report.checks][:2] == ["3 s", "make a"]


def test_a_failure_is_kept_if_one_asks_for_it(world: World) -> None:
    world.fails["after make b"] = RuntimeError("boom")
    with pytest.raises(kk.ApplyFailed, match=r"boom\. It is kept as it is\. kk\.pending"):
        kk.apply(plan(), keep=True)

    assert world.things == ["a", "b"]
    assert kk.undo(host(), plan().id).ok
    assert world.things == []


def test_what_needs_a_system_in_a_vm_is_rehearsed(world: World) -> None:
    report = kk.apply(plan(step("a"), step("b", action="test-boots")))

    assert world.did == []
    assert {row.found for row in report.checks} == {
        "rehearsed: a VM of the practice host runs no system, and no installer either"
    }


def test_a_fault_of_who_watches_ends_nothing(world: World) -> None:
    def broken(what: str) -> None:
        raise RuntimeError(what)

    assert kk.apply(plan(), progress=broken).ok
    assert world.did == ["make a", "make b", "make c"]


def test_what_was_there_before_is_told_and_not_made_again(world: World) -> None:
    world.things = ["b"]
    report = kk.apply(plan())

    assert world.did == ["make a", "make c"]
    assert report.frame["found"].tolist() == ["done", "already so", "done"]


def test_apply_twice_is_as_once(world: World) -> None:
    kk.apply(plan())
    again = kk.apply(plan())

    assert world.did == ["make a", "make b", "make c"]
    assert again.frame["found"].tolist() == ["already so"] * 3
    assert state() == ["done"]


def test_apply_again_makes_what_has_gone_since(world: World) -> None:
    kk.apply(plan())
    world.things.remove("b")
    again = kk.apply(plan())

    assert world.things == ["a", "c", "b"]
    assert again.frame["found"].tolist() == ["already so", "done", "already so"]


def test_an_empty_plan_does_nothing_and_leaves_no_trace(world: World) -> None:
    nothing = kk.Plan(uri=URI, title="nothing", steps=())

    assert kk.apply(nothing).checks == ()
    assert state() == []


def test_a_step_that_the_host_does_not_show_has_failed(world: World) -> None:
    with pytest.raises(kk.ApplyFailed, match="it was done, but the host does not show it"):
        kk.apply(plan(step("a"), step("b", action="test-nothing")))

    assert world.did == ["make a", "nothing", "unmake a"]


@pytest.mark.parametrize(("answer", "left"), [(True, ["a", "b"]), (False, [])])
def test_a_person_is_asked_before_a_step_that_asks(world: World, answer: bool, left: list[str]) -> None:
    asked: list[str] = []

    def ask(asking: kk.Step, seconds: float) -> bool:
        assert 0 < seconds <= 1000
        asked.append(f"{asking.ask} with {world.things}")
        return answer

    steps = plan(step("a"), step("b").model_copy(update={"ask": "Go on?", "ask_seconds": 1000}))
    if answer:
        assert kk.apply(steps, ask=ask).ok
    else:
        with pytest.raises(kk.ApplyFailed, match=r"at 'make b': it was not confirmed\..*host is as before"):
            kk.apply(steps, ask=ask)

    assert asked == ["Go on? with ['a']"]
    assert world.things == left


def test_without_a_person_nothing_is_asked(world: World) -> None:
    assert kk.apply(plan(step("a").model_copy(update={"ask": "Go on?"}))).ok
    assert world.things == ["a"]


def test_what_is_somebody_elses_is_left_alone(world: World) -> None:
    world.things, world.foreign = ["b"], {"b"}
    with pytest.raises(kk.ApplyFailed, match=r"at 'make b': b is somebody else's"):
        kk.apply(plan())

    assert world.things == ["b"]
    assert world.did == ["make a", "unmake a"]


def test_what_somebody_else_made_since_is_told_like_any_failure(world: World) -> None:
    kk.apply(plan())
    world.things, world.foreign = ["b"], {"b"}
    with pytest.raises(kk.ApplyFailed, match=r"at 'make b': b is somebody else's"):
        kk.apply(plan())

    assert world.things == ["b"]


def test_what_the_practice_host_lacks_is_rehearsed_and_leaves_no_trace(world: World) -> None:
    report = kk.apply(plan(step("a"), step("b"), step("c", action="test-system")))

    assert report.frame["status"].tolist() == ["SKIP"] * 3
    assert all(found.startswith("rehearsed: ") for found in report.frame["found"])
    assert (world.did, state()) == ([], [])
    with pytest.raises(kk.NotFound):
        kk.undo(report)


def test_what_a_power_cut_ended_is_made_again(world: World) -> None:
    """And what ended by itself in a plan that was applied to its end is not."""
    steps = plan(step("a"), step("b", action="test-running"), step("c"))
    entry = Entry.begin(steps)
    entry.write(step=0, state="done")
    entry.write(step=1, state="done")
    world.things = ["a"]

    (left,) = kk.pending(host())
    assert kk.apply(left).ok
    assert world.things == ["a", "b", "c"]

    world.things.remove("b")
    assert kk.apply(steps).frame["found"].tolist() == ["already so"] * 3


def test_a_pending_plan_says_since_when_and_how_far(world: World) -> None:
    entry = Entry.begin(plan())
    entry.write(step=0, state="done")
    entry.write(step=1, state="started")
    (left,) = kk.pending(host())

    assert left.id == plan().id
    assert left.notes[-1] == f"applying since {entry.time[:19]} UTC: 1 of 3 steps are done"
    assert str(left).splitlines()[-1] == (
        f"kk.apply(plan) goes on with it, kk.undo(host, {left.id!r}) takes it back."
    )


def test_secrets_reach_the_step_and_nothing_that_is_shown_or_kept(world: World) -> None:
    secret = step("a").model_copy(update={"secrets": {"password": SecretStr("hunter2")}})
    given = plan(secret, step("b"))
    world.fails["after make b"] = RuntimeError("boom")
    with pytest.raises(kk.ApplyFailed) as caught:
        kk.apply(given)
    world.fails.clear()
    report = kk.apply(given)

    assert world.told == ["hunter2", "hunter2"]
    kept = "".join(entry.path.read_text() for entry in entries(URI))
    shown = (
        repr(report),
        report._repr_html_(),
        str(caught.value),
        repr(caught.value.report),
        str(kk.history(host())),
    )
    assert len(entries(URI)) == 2
    assert "hunter2" not in kept + "".join(shown)


def test_a_plan_continued_with_its_secrets_has_them(world: World) -> None:
    given = plan(step("a").model_copy(update={"secrets": {"password": SecretStr("hunter2")}}))
    Entry.begin(given)
    kk.apply(given)

    assert world.told == ["hunter2"]


def test_history_tells_who_did_what_when_and_how_it_ended(world: World) -> None:
    kk.undo(kk.apply(plan()))
    kk.apply(plan(step("other")))
    frame = kk.history(host())

    assert list(frame.columns) == ["time", "operator", "what", "plan", "state"]
    assert frame[["what", "plan", "state"]].values.tolist() == [
        ["make things", plan().id, "undone"],
        ["make things", plan(step("other")).id, "done"],
    ]
    assert frame["time"].is_monotonic_increasing


def test_history_is_in_the_order_in_which_things_were_done(world: World) -> None:
    for name in "cabed":
        kk.apply(plan(step(name)).model_copy(update={"title": f"make {name}"}))

    assert kk.history(host())["what"].tolist() == [f"make {name}" for name in "cabed"]


def test_hosts_have_journals_of_their_own(world: World) -> None:
    kk.apply(plan())

    assert kk.history(kk.connect("qemu:///session")).empty
    with pytest.raises(kk.NotFound):
        kk.undo(kk.connect("qemu:///session"), plan().id)
