"""apply_form: the button that applies a plan, and the gate that a runbook waits at."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets
from markupsafe import Markup

from kvmkit.apply import apply, in_voila
from kvmkit.errors import ApplyFailed, NotApplied
from kvmkit.forms.question import Question
from kvmkit.forms.shown import RED, Shown, message, person_is_there
from kvmkit.forms.spec_form import SpecForm
from kvmkit.host import PRACTICE_URI
from kvmkit.plan import Plan
from kvmkit.report import Report
from kvmkit.safe import html, indented, page

__all__ = ["ApplyForm", "apply_form"]


def apply_form(plan: Plan, confirm: str | Sequence[str] = "", *forms: SpecForm[Any]) -> ApplyForm:
    """Let a person apply a plan by a click; without a person, apply it only if `confirm` says so.

    Parameters
    ----------
    plan
        From one of the ``plan_`` functions.
    confirm
        Without a person (papermill, nbval): the plan's id, or a list that has it, as a promise
        that somebody has read it; on the practice host ``"practice"`` will do. With a person it
        counts for nothing.
    *forms
        The forms that the plan was made from: if one is edited, the plan is void.

    Returns
    -------
    ApplyForm
        Its ``.wait()`` gives the report, or stops the runbook.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> plan = kk.plan_vm(host, kk.VMSpec(name="web1"))
    >>> kk.apply_form(plan, confirm="practice").wait().ok
    True
    """
    return ApplyForm(plan, confirm, forms)


class ApplyForm(Shown):
    """The widget that :func:`apply_form` makes.  It applies its plan once.

    Attributes
    ----------
    plan
        The plan.
    """

    def __init__(self, plan: Plan, confirm: str | Sequence[str], forms: Sequence[SpecForm[Any]]) -> None:
        self.plan = plan
        self._forms = [(form, form.taken) for form in forms]
        self._once = threading.Lock()
        self._done = threading.Event()
        self._cancel = threading.Event()
        self._saying = threading.Lock()
        self._latest = ""
        self._report: Report | None = None
        self._error: Exception | None = None
        self._state = widgets.HTML().add_class("kvmkit-state")
        self._button = widgets.Button(description=f"Apply {plan.id}", tooltip=plan.title).add_class(
            "kvmkit-apply"
        )
        self._word = _word_to_type(plan)
        self._typed = widgets.Text(
            description=f"Type {self._word} to go on",
            style={"description_width": "initial"},
        ).add_class("kvmkit-confirm")
        self._question = Question()
        self._stop = widgets.Button(description="Cancel", layout={"display": "none"}).add_class(
            "kvmkit-cancel"
        )
        parts = {
            self._typed: bool(self._word),
            self._button: not plan.empty,
            self._question: any(step.ask for step in plan.steps),
            self._state: True,
            self._stop: not plan.empty,
        }
        super().__init__([part for part, needed in parts.items() if needed])
        person = person_is_there()
        self._how = "click Apply above" + (", then run the cells below" if not in_voila() else "")
        if plan.empty or (not person and _confirmed(plan, confirm) and not self._void()):
            self._run()
        elif person:
            self._offer()
        else:
            # papermill's -p takes some ids for numbers; -r leaves them as they are.
            self._how = (
                f"nobody is here to click: read the plan, then run again with confirm={plan.id!r} "
                f"(papermill -p confirm {plan.id})"
            )
            self._button.disabled = self._typed.disabled = True
            self._say(repr(self))

    def wait(self) -> Report:
        """Wait until what was clicked is done.  Interrupting the kernel meanwhile cancels that.

        Returns
        -------
        Report
            What was done; empty if the plan is.

        Raises
        ------
        NotApplied
            Nobody has clicked, or `confirm` is not the plan's id: what follows must not run yet.
        ApplyFailed, Cancelled, Busy, HostUnavailable, LibvirtFailed
            As :func:`apply`.
        """
        try:
            self._wait()
        except KeyboardInterrupt:
            self._cancelled()
            self._wait()
        if self._error:
            raise self._error
        if self._report is None:
            raise NotApplied(f"plan {self.plan.id} ({self.plan.title}) on {self.plan.uri}: {self._reason()}")
        return self._report

    def _wait(self) -> None:
        while self._once.locked() and not self._done.wait(0.2):
            if self._question.is_open:  # while a cell waits, the kernel does not see what is clicked
                raise NotApplied(f"{self.plan.title}: answer the question above first, then run this again")

    def _offer(self) -> None:
        """Have the buttons work, as far as they may."""
        self._button.on_click(self._seen(self._clicked))
        self._button.button_style = "danger" if self._word else "primary"
        self._stop.on_click(self._seen(self._cancelled))
        self._typed.observe(self._seen(self._enable), names="value")
        for form, _taken in self._forms:
            for field in form.fields.values():
                field.observe(self._seen(self._enable), names="value")
        self._enable()

    def _void(self) -> bool:
        """Whether a form holds something else than what the plan was made from."""
        return any(taken is None or form.values != dict(taken) for form, taken in self._forms)

    def _reason(self) -> str:
        if self._void():
            return "the form was changed since, so this plan is void; run its cell again to plan anew"
        return f"not applied; {self._how}"

    def _enable(self, _change: object = None) -> None:
        if self._once.locked():
            return
        void = self._void()
        self._button.disabled = void or self._typed.value != self._word
        self._say(self._reason(), RED) if void else self._say("Nothing has been changed yet.")

    def _clicked(self, _button: object) -> None:
        # A double click comes as two callbacks, which may run at once: disabling the button is no guard.
        if self._void() or self._typed.value != self._word or not self._once.acquire(blocking=False):
            return
        self._button.disabled = self._typed.disabled = True
        self._doing("")
        self._stop.layout.display = ""
        # A thread, so that the page goes on answering; what it shows is widgets' values, as prints are lost.
        threading.Thread(target=self._run, name=f"apply {self.plan.id}").start()

    def _cancelled(self, _button: object = None) -> None:
        """End at the next safe point; what must not be interrupted is finished first."""
        self._cancel.set()
        self._question.refuse()
        self._stop.disabled = True
        self._doing(self._latest)

    def _run(self) -> None:
        try:
            ask = self._question.ask if self._once.locked() else None
            self._report = apply(self.plan, ask=ask, progress=self._doing, cancel=self._cancel)
            shown = "" if self.plan.empty else self._report._repr_html_()
        except Exception as error:  # noqa: BLE001 - wait() raises it again; here it would be lost
            self._error = error
            table = error.report._repr_html_() if isinstance(error, ApplyFailed) else ""
            shown = html("{}{}", table, message(f"{type(error).__name__}: {error}", RED))
        with self._saying:
            self._state.value = shown
            self._button.disabled = self._typed.disabled = True
            self._stop.layout.display = "none"
            self._done.set()

    def _doing(self, what: str) -> None:
        how = "Applying"
        if self._cancel.is_set():
            how = "Cancelling, after what must not be interrupted"
        with self._saying:
            self._latest = what
            if not self._done.is_set():
                self._say(f"{how}: {self.plan.title} ({len(self.plan.steps)} steps) … {what}")

    def _say(self, text: str, style: str = "") -> None:
        self._state.value = message(text, style)

    def __repr__(self) -> str:
        if self._report:
            return indented(f"Applied: {self._report.summary}")
        if self._error:
            state = f"{type(self._error).__name__}: {self._error}"
        else:
            state = "being applied" if self._once.locked() else self._reason()
        return indented(f"{self.plan.title} on {self.plan.uri}: {state}")

    def _html(self) -> Markup:
        return page(html("<p>{}</p>", repr(self)))


def _confirmed(plan: Plan, confirm: str | Sequence[str]) -> bool:
    ids = [confirm] if isinstance(confirm, str) else confirm
    return plan.id in ids or ("practice" in ids and plan.uri == PRACTICE_URI)


def _word_to_type(plan: Plan) -> str:
    """Choose what a person types before something is gone for good: the VM's name, else the plan's id."""
    if not any(step.lost for step in plan.steps):
        return ""
    names = [str(step.args["name"]) for step in plan.steps if step.action.startswith("vm-")]
    # It is in a label, where ipywidgets has MathJax look for formulas; and not all names can be typed.
    return names[0] if names and re.fullmatch(r"[\w. +@-]+", names[0], re.ASCII) else plan.id
