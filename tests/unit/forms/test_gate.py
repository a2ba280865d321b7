"""The button and the gate, without a kernel."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import kvmkit as kk
from kvmkit.actions import kind
from kvmkit.engine import Ask
from kvmkit.forms import gate as module
from kvmkit.forms.question import Question
from kvmkit.plan import Step
from kvmkit.progress import Progress
from tests.lab.waiting import wait_until

HOST = kk.connect("test:///default")


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    # What Lab says is tested in the browser.
    monkeypatch.setattr(module, "person_is_there", lambda: True)


def plan_web1() -> kk.Plan:
    return kk.plan_vm(HOST, kk.VMSpec(name="web1"))


def test_without_a_person_nothing_happens_unless_confirmed() -> None:
    plan = plan_web1()
    for confirm in ("", "yes", plan.id[:-1], plan.id.upper() + " "):
        gate = kk.apply_form(plan, confirm)
        with pytest.raises(kk.NotApplied, match=f"papermill -p confirm {plan.id}") as raised:
            gate.wait()
        assert len(raised.value._render_traceback_()) == 1
        assert "\n" not in str(raised.value)

    assert "web1" not in kk.vms(HOST).index


@pytest.mark.parametrize("confirm", ["practice", "id"])
def test_without_a_person_a_confirmed_plan_is_applied_at_once(confirm: str) -> None:
    plan = plan_web1()
    gate = kk.apply_form(plan, plan.id if confirm == "id" else confirm)

    assert kk.vms(HOST).loc["web1", "state"] == "running"
    assert gate.wait().ok
    assert repr(gate) == "Applied: create VM web1 on test:///default: 3 PASS"


def test_several_plans_are_confirmed_by_a_list_of_their_ids() -> None:
    plans = [plan_web1(), kk.plan_vm(HOST, kk.VMSpec(name="web2"))]
    ids = [plan.id for plan in plans]

    assert all(kk.apply_form(plan, ids).wait().ok for plan in plans)
    with pytest.raises(kk.NotApplied, match="create VM web3"):
        kk.apply_form(kk.plan_vm(HOST, kk.VMSpec(name="web3")), ids).wait()


def test_the_word_practice_is_nothing_to_a_real_host() -> None:
    plan = kk.Plan(uri="qemu:///system", title="nothing real", steps=(Step(action="none", title="none"),))

    with pytest.raises(kk.NotApplied):
        kk.apply_form(plan, "practice").wait()
    with pytest.raises(kk.NotApplied):
        kk.apply_form(plan, ["practice", "p000000000"]).wait()


def test_a_plan_without_steps_is_all_fine() -> None:
    gate = kk.apply_form(kk.Plan(uri=HOST.uri, title="as it is", steps=()))

    assert (gate.wait().ok, gate.wait().checks) == (True, ())
    assert gate._button not in gate.children


@pytest.mark.usefixtures("person")
def test_with_a_person_it_is_applied_by_a_click_alone() -> None:
    plan = plan_web1()
    gate = kk.apply_form(plan, plan.id)
    with pytest.raises(kk.NotApplied, match="click Apply above"):
        gate.wait()
    assert "web1" not in kk.vms(HOST).index

    gate._button.click()

    assert gate.wait().ok
    assert "3 PASS" in gate._state.value
    assert gate._button.disabled
    assert kk.vms(HOST).loc["web1", "state"] == "running"


@pytest.mark.usefixtures("person")
def test_a_double_click_applies_once(monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on, applied = threading.Event(), threading.Event(), []

    def slow(plan: kk.Plan, ask: Ask, progress: Progress, cancel: threading.Event) -> kk.Report:
        applied.append(plan.id)
        progress("setting up libvirt0")
        started.set()
        assert go_on.wait(60)
        return kk.apply(plan)

    monkeypatch.setattr(module, "apply", slow)
    gate = kk.apply_form(plan_web1())
    gate._button.click()
    assert started.wait(60)
    gate._button.click()  # while the first is at it
    assert "Applying: create VM web1 (3 steps) … setting up libvirt0" in gate._state.value
    go_on.set()

    assert gate.wait().ok
    gate._button.click()  # and after it
    assert applied == [gate.plan.id]


@pytest.mark.usefixtures("person")
def test_what_goes_wrong_is_seen_and_raised_at_the_gate() -> None:
    plan = plan_web1()
    gate = kk.apply_form(plan)
    kk.apply(kk.plan_vm(HOST, kk.VMSpec(name="web1", memory_mib=512)))  # somebody was quicker
    gate._button.click()

    with pytest.raises(kk.ApplyFailed, match="was not made by this plan"):
        gate.wait()
    assert "ApplyFailed" in gate._state.value
    assert "FAIL" in gate._state.value
    assert kk.vms(HOST).loc["web1", "memory_mib"] == 512


@pytest.mark.usefixtures("person")
def test_what_is_lost_for_good_is_asked_for_by_name() -> None:
    gate = kk.apply_form(kk.plan_undefine(HOST, "demo", delete_storage=True))
    assert gate._button.disabled
    gate._button.click()
    gate._typed.value = "dem"
    assert gate._button.disabled
    gate._button.click()
    with pytest.raises(kk.NotApplied):
        gate.wait()

    gate._typed.value = "demo"
    assert not gate._button.disabled
    gate._button.click()

    assert gate.wait().ok
    assert list(kk.vms(HOST).index) == []


@pytest.mark.usefixtures("person")
def test_editing_the_form_makes_the_plan_void() -> None:
    form = kk.form(kk.VMSpec, name="web1")
    gate = kk.apply_form(kk.plan_vm(HOST, form.spec), "", form)
    form.fields["memory_mib"].value = 2048

    assert gate._button.disabled
    assert "the form was changed since, so this plan is void" in gate._state.value
    gate._button.click()
    with pytest.raises(kk.NotApplied, match="void"):
        gate.wait()

    # Planning anew makes a new gate valid, and not the old one.
    anew = kk.apply_form(kk.plan_vm(HOST, form.spec), "", form)
    gate._button.click()
    with pytest.raises(kk.NotApplied, match="void"):
        gate.wait()
    anew._button.click()
    assert anew.wait().ok
    assert kk.vms(HOST).loc["web1", "memory_mib"] == 2048


def test_a_form_edited_before_the_gate_is_there_makes_the_plan_void_too() -> None:
    form = kk.form(kk.VMSpec, name="web1")
    plan = kk.plan_vm(HOST, form.spec)
    form.fields["memory_mib"].value = 2048

    with pytest.raises(kk.NotApplied, match="void"):
        kk.apply_form(plan, plan.id, form).wait()
    assert "web1" not in kk.vms(HOST).index


def test_it_shows_itself_as_text_and_html() -> None:
    shown = kk.apply_form(plan_web1(), "practice")._repr_mimebundle_()

    assert shown["text/plain"] == "Applied: create VM web1 on test:///default: 3 PASS"
    assert f"<p>{shown['text/plain']}</p>" in shown["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize(("click", "kept"), [(0, True), (1, False)])
def test_a_person_is_asked_while_a_trial_runs(
    monkeypatch: pytest.MonkeyPatch, click: int, kept: bool
) -> None:
    answers: list[bool] = []

    def asking(plan: kk.Plan, ask: Ask, progress: Progress, cancel: threading.Event) -> kk.Report:
        answers.append(ask(plan.steps[0].model_copy(update={"ask": "Keep it?"}), 600))
        return kk.Report(plan.title, plan.uri, [], plan.id)

    monkeypatch.setattr(module, "apply", asking)
    gate = kk.apply_form(plan_web1())
    gate._button.click()
    wait_until(lambda: gate._question.is_open, "the question")
    assert gate._question._text.value.count("Keep it?") == 1
    with pytest.raises(kk.NotApplied, match="answer the question above first"):
        gate.wait()

    gate._question.children[1].children[click].click()
    assert gate.wait().plan_id == gate.plan.id
    assert answers == [kept]
    assert gate._question.layout.display == "none"


def test_in_voila_a_button_acts_and_a_cell_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs all cells when somebody opens the page."""
    report = kk.apply(kk.plan_vm(HOST, kk.VMSpec(name="web0", disk_gib=0)))
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    plan = plan_web1()
    cells: list[Callable[[], object]] = [
        lambda: kk.apply(plan),
        lambda: kk.apply_form(plan, "practice").wait(),
        lambda: kk.undo(report),
        lambda: kk.destroy(HOST, "demo"),
        lambda: kk.autostart(HOST, "demo", True),
        lambda: kk.insert_media(HOST, "demo", "rescue.iso"),
    ]
    for cell in cells:
        with pytest.raises(kk.NotApplied):
            cell()
    assert dict(kk.vms(HOST)["state"]) == {"demo": "running", "web0": "running"}
    assert list(kk.history(HOST)["what"]) == ["create VM web0"]

    gate = kk.apply_form(plan)
    with pytest.raises(kk.NotApplied, match=r"click Apply above$"):  # there are no cells to run below
        gate.wait()
    gate._button.click()
    assert gate.wait().ok
    form = kk.vm_form(HOST, "web0")
    form.buttons["shutdown"].click()
    form.wait()
    assert dict(kk.vms(HOST)["state"]) == {"demo": "running", "web0": "shut off", "web1": "running"}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, person: None) -> Iterator[tuple[kk.ApplyForm, threading.Event]]:
    """Give a gate whose plan is being applied, in its second step, and what lets that step go on."""
    begun, go_on = threading.Event(), threading.Event()
    define = kind(plan_web1().steps[1]).code
    make = define.make

    def slowly(*args: Any) -> None:
        begun.set()
        assert go_on.wait(60)
        make(*args)

    monkeypatch.setattr(define, "make", slowly)
    gate = kk.apply_form(plan_web1())
    gate._button.click()
    assert begun.wait(60)
    yield gate, go_on
    go_on.set()


def is_cancelled(gate: kk.ApplyForm) -> bool:
    """Whether all is as before, and the person sees it and why."""
    with pytest.raises(kk.Cancelled, match=r"cancelled by a person\..*the host is as before"):
        gate.wait()
    assert "web1" not in kk.vms(HOST).index
    assert list(kk.volumes(HOST).index).count("web1.qcow2") == 0
    assert list(kk.history(HOST)["what"]) == ["create VM web1, cancelled by a person"]
    return "Cancelled: create VM web1" in gate._state.value and gate._stop.layout.display == "none"


def test_cancel_ends_it_after_the_step_that_is_being_done(
    started: tuple[kk.ApplyForm, threading.Event],
) -> None:
    gate, go_on = started
    assert gate._stop.layout.display == ""
    gate._stop.click()
    assert "Cancelling, after what must not be interrupted: create VM web1" in gate._state.value
    assert "… define VM web1" in gate._state.value
    assert gate._stop.disabled
    go_on.set()

    assert is_cancelled(gate)
    gate._stop.click()  # a click that comes late changes nothing
    assert "Cancelled: create VM web1" in gate._state.value


def test_interrupting_the_kernel_at_the_gate_cancels(
    started: tuple[kk.ApplyForm, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, go_on = started
    waited = gate._wait

    def interrupted() -> None:
        monkeypatch.setattr(gate, "_wait", waited)
        go_on.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(gate, "_wait", interrupted)
    assert is_cancelled(gate)


@pytest.mark.usefixtures("person")
def test_cancel_answers_the_question_with_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_web1()
    asking = plan.steps[2].model_copy(update={"ask": "Start it?", "ask_seconds": 600})
    gate = kk.apply_form(plan.model_copy(update={"steps": (*plan.steps[:2], asking)}))
    gate._button.click()
    wait_until(lambda: gate._question.is_open, "the question")
    gate._stop.click()

    assert is_cancelled(gate)


def test_a_plan_without_steps_has_nothing_to_cancel() -> None:
    gate = kk.apply_form(kk.Plan(uri=HOST.uri, title="as it is", steps=()))

    assert gate._stop not in gate.children


def test_no_answer_is_a_no() -> None:
    question = Question()

    assert question.ask(Step(action="none", title="none", ask="Keep it?"), 0.01) is False
    assert not question.is_open
