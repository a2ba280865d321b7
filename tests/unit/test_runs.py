"""What a run goes on with, decided from the journal alone: no notebook is run here."""

import sys
from typing import Any

import pytest

import kvmkit as kk
from kvmkit import journal
from kvmkit.journal import Entry, note_run, runs
from kvmkit.runs import run as module
from kvmkit.runs.run import _unfinished
from kvmkit.runs.runbook import find

URI = "qemu:///system"
GIVEN = {"vm_name": "web1", "confirm": "p1"}


def begun(uri: str = URI, state: str = "applying", title: str = "create VM web1") -> Entry:
    entry = Entry.begin(kk.Plan(uri=uri, title=title, steps=(kk.Step(action="x", title="x"),)))
    entry.write(state=state)
    return entry


def ended(state: str, plans: list[str], **parameters: Any) -> None:
    number = len(runs(URI))
    note_run(URI, f"run{number}", runbook="40-create-vm", parameters=parameters, state="running", plans=[])
    if state != "running":
        note_run(URI, f"run{number}", state=state, plans=plans)


def going_on(**parameters: Any) -> list[str]:
    return [entry.plan.id for entry in _unfinished(URI, find("40-create-vm"), parameters)[1]]


@pytest.mark.parametrize(
    ("state", "goes_on"), [("applying", True), ("done", True), ("undoing", True), ("undone", False)]
)
def test_a_failed_run_is_gone_on_with_unless_it_was_undone(state: str, goes_on: bool) -> None:
    entry = begun(state=state)
    ended("failed", [entry.plan.id], **GIVEN)

    assert going_on(**GIVEN | {"confirm": "p2"}) == [entry.plan.id] * goes_on


def test_another_wish_is_another_run() -> None:
    ended("failed", [begun().plan.id], **GIVEN)

    assert going_on(**GIVEN | {"vm_name": "web2"}) == []
    assert _unfinished(URI, find("50-manage-vms"), GIVEN) == ({}, [])
    assert _unfinished("qemu:///session", find("40-create-vm"), GIVEN) == ({}, [])


def test_a_default_that_is_given_is_no_other_wish() -> None:
    ended("failed", [begun().plan.id], **GIVEN | {"vcpus": 1})

    assert going_on() == going_on(**GIVEN) != []
    assert going_on(vcpus=2) == []


def test_after_a_run_that_came_to_its_end_there_is_nothing_to_go_on_with() -> None:
    plans = [begun(state="done").plan.id]
    ended("failed", plans, **GIVEN)
    ended("done", plans, **GIVEN)

    assert going_on(**GIVEN) == []


def test_a_run_that_was_killed_began_what_the_journal_has_since() -> None:
    ended("running", [], **GIVEN)
    entry = begun()

    assert going_on(**GIVEN) == [entry.plan.id]


def test_on_a_real_host_a_half_applied_plan_needs_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = begun().plan
    ended("failed", [plan.id], vm_name="web1")
    monkeypatch.setattr(module, "_execute", lambda *_: None)
    for confirm in ("practice", "p000000000", ["p000000000"]):
        with pytest.raises(
            kk.NotApplied, match=f"left plan {plan.id} .create VM web1. half applied on {URI}"
        ):
            kk.run_runbook("40-create-vm", URI, vm_name="web1", confirm=confirm)

    assert len(runs(URI)) == 1  # nothing was begun
    assert kk.run_runbook("40-create-vm", URI, vm_name="web1", confirm=["p0", plan.id]).plans == (plan.id,)


def test_what_another_process_began_is_planned_no_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_taken_up", {})
    host = kk.connect("test:///default")
    plan = kk.plan_vm(host, kk.VMSpec(name="web1"))
    kk.apply(plan)
    with pytest.raises(kk.InvalidSpec, match="a VM of that name is there already"):
        kk.plan_vm(host, kk.VMSpec(name="web1"))

    assert module.take_up(host.uri, [plan.id]) == []
    again = kk.plan_vm(host, kk.VMSpec(name="web1"))
    assert again == plan
    assert {row.found for row in kk.apply(again).checks} == {"already so"}


def test_without_papermill_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "papermill", None)

    with pytest.raises(kk.Unsupported, match=r"papermill, .* is not installed: pip install 'kvmkit\[lab\]'"):
        kk.run_runbook("10-check-host", "test:///default")


def test_history_lists_a_run_once_with_its_last_state_and_its_notebook() -> None:
    ended("failed", [], **GIVEN)
    begun(state="done")
    ended("running", [])
    rows = kk.history(kk.connect(URI))
    kept = journal.runs_folder(URI)

    assert list(rows.columns) == ["time", "operator", "what", "plan", "state"]
    assert rows["state"].tolist() == ["failed", "done", "running"]
    assert rows["what"].tolist()[0] == f"run 40-create-vm, kept as {kept / 'run0.ipynb'}"
    assert rows["plan"].tolist()[0] == rows["plan"].tolist()[2] == ""
