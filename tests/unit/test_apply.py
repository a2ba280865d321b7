"""The engine behind apply and undo, with steps that only write down what they do.

That the host is as before when the steps are real is shown in tests/practice and tests/realqemu.
"""

import sys
from collections.abc import Callable

import pytest
from pydantic import SecretStr

import kvmkit as kk
from kvmkit.apply import Action
from kvmkit.journal import Entry, entries

URI = "test:///default"
engine = sys.modules["kvmkit.apply"]  # the package's own attribute of that name is the function


class World:
    """A host in memory: what is there, what was done, and which calls fail."""

    def __init__(self) -> None:
        self.things: list[str] = []
        self.did: list[str] = []
        self.foreign: set[str] = set()
        self.fails: dict[str, BaseException] = {}
        self.told: list[str] = []

    def do(self, verb: str, thing: str, change: Callable[[str], None]) -> None:
        if error := self.fails.get(f"before {verb} {thing}"):
            raise error
        change(thing)
        self.did.append(f"{verb} {thing}")
        if error := self.fails.get(f"after {verb} {thing}"):
            raise error


class Thing(Action):
    """A step that puts a thing into the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def made(self, host: kk.Host, step: kk.Step, state: str, token: str) -> bool:
        name = step.args["name"]
        if name in self.world.foreign and not state:
            raise kk.Conflict(f"{name} is somebody else's")
        return name in self.world.things

    def make(self, host: kk.Host, step: kk.Step, token: str) -> None:
        self.world.told += [secret.get_secret_value() for secret in step.secrets.values()]
        self.world.do("make", step.args["name"], self.world.things.append)

    def unmake(self, host: kk.Host, step: kk.Step) -> None:
        self.world.do("unmake", step.args["name"], self.world.things.remove)


class Nothing(Thing):
    """A step that says it did, and did not."""

    def make(self, host: kk.Host, step: kk.Step, token: str) -> None:
        self.world.did.append("nothing")


class Half(Thing):
    """A step that begins and fails; what it began is not what it makes."""

    def made(self, host: kk.Host, step: kk.Step, state: str, token: str) -> bool:
        return False

    def make(self, host: kk.Host, step: kk.Step, token: str) -> None:
        self.world.do("begin", step.args["name"], self.world.things.append)
        raise RuntimeError("boom")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(engine, "_actions", {})
    monkeypatch.setattr(engine, "_gradual", set())
    monkeypatch.setattr(engine, "_rehearsed", set())
    engine.action("test-thing", Thing(world))
    engine.action("test-nothing", Nothing(world))
    engine.action("test-half", Half(world), gradual=True)
    engine.action("test-system", Thing(world), rehearsed=True)
    return world


def step(name: str, lost: str = "", action: str = "test-thing") -> kk.Step:
    return kk.Step(action=action, title=f"make {name}", undo=f"unmake {name}", lost=lost, args={"name": name})


def plan(*steps: kk.Step) -> kk.Plan:
    return kk.Plan(uri=URI, title="make things", steps=steps or (step("a"), step("b"), step("c")))


def state() -> list[str]:
    return [entry.state for entry in entries(URI)]


def host() -> kk.Host:
    return kk.connect(URI)


def test_steps_are_made_in_order_and_told_row_by_row(world: World) -> None:
    report = kk.apply(plan())

    assert world.did == ["make a", "make b", "make c"]
    assert report.ok
    assert report.plan_id == plan().id
    assert report.frame[["check", "status", "found"]].values.tolist() == [
        [f"make {name}", "PASS", "done"] for name in "abc"
    ]
    assert state() == ["done"]


def test_what_was_there_before_is_told_and_not_made_again(world: World) -> None:
    world.things = ["b"]
    report = kk.apply(plan())

    assert world.did == ["make a", "make c"]
    assert report.frame["found"].tolist() == ["done", "already so", "done"]


def test_what_was_there_before_stays_after_undo(world: World) -> None:
    world.things = ["b"]
    kk.undo(kk.apply(plan()))

    assert world.things == ["b"]


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


def test_undo_takes_back_in_reverse(world: World) -> None:
    undone = kk.undo(kk.apply(plan()))

    assert world.did[3:] == ["unmake c", "unmake b", "unmake a"]
    assert world.things == []
    assert undone.ok
    assert undone.frame["check"].tolist() == ["undo: make c", "undo: make b", "undo: make a"]
    assert state() == ["undone"]


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


def test_a_step_that_the_host_does_not_show_has_failed(world: World) -> None:
    with pytest.raises(kk.ApplyFailed, match="it was done, but the host does not show it"):
        kk.apply(plan(step("a"), step("b", action="test-nothing")))

    assert world.did == ["make a", "nothing", "unmake a"]


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


def test_what_the_practice_host_lacks_is_rehearsed_and_leaves_no_trace(world: World) -> None:
    report = kk.apply(plan(step("a"), step("b"), step("c", action="test-system")))

    assert report.frame["status"].tolist() == ["SKIP"] * 3
    assert all(found.startswith("rehearsed: ") for found in report.frame["found"])
    assert (world.did, state()) == ([], [])
    with pytest.raises(kk.NotFound):
        kk.undo(report)


def test_a_pending_plan_says_since_when_and_how_far(world: World) -> None:
    entry = Entry.begin(plan())
    entry.write(step=0, state="done")
    entry.write(step=1, state="started")
    (left,) = kk.pending(host())

    assert left.id == plan().id
    assert left.notes[-1] == f"applying since {entry.time[:19]} UTC: 1 of 3 steps are done"


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
