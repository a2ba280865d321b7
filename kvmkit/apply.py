"""apply, undo, pending and history: the verbs that change a host by a plan.

Each kind of step is an :class:`Action`, registered by the folder that plans
with it.  The engine journals each step before and after, verifies it, and
takes back what it did when a step fails.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

import libvirt
import pandas as pd
from pydantic import SecretStr

from kvmkit import journal
from kvmkit.errors import ApplyFailed, Conflict, KvmkitError, NotFound
from kvmkit.host import Host, connect
from kvmkit.journal import Entry
from kvmkit.plan import Plan, Step
from kvmkit.report import Check, Report, Status

__all__ = ["Action", "acting", "action", "apply", "history", "pending", "undo"]


class Action(Protocol):
    """The code that makes one kind of step.

    ``state`` is what the journal says of the step: ``""`` (not begun: whatever
    is on the host is somebody else's), ``"started"`` (ours, if it is just as
    this step makes it), ``"done"`` (ours), or ``"undoing"`` (ours, perhaps half taken back).
    """

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether the host is as the step leaves it; Conflict if something not ours is in the way."""

    def make(self, host: Host, step: Step, token: str) -> None:
        """Make the change."""

    def unmake(self, host: Host, step: Step) -> None:
        """Take the change back, by what the step itself says: a killed process keeps nothing else.

        It may have to go on where a killed process stopped.
        """


_actions: dict[str, Action] = {}
_gradual: set[str] = set()
_rehearsed: set[str] = set()


def action(name: str, code: Action, *, gradual: bool = False, rehearsed: bool = False) -> None:
    """Register the code behind steps of that name.

    Parameters
    ----------
    gradual
        It is made bit by bit: what a killed process or a failure left is taken back
        though ``made`` says no. ``unmake`` finds out by itself what there is.
    rehearsed
        It changes the system around libvirt, which the practice host does not have.
    """
    _actions[name] = code
    if gradual:
        _gradual.add(name)
    if rehearsed:
        _rehearsed.add(name)


@contextlib.contextmanager
def acting(host: Host, what: str) -> Iterator[libvirt.virConnect]:
    """Give the libvirt connection for a lifecycle verb: journalled, libvirt's errors made clear."""
    journal.note_act(host.uri, what)
    with host.changing(what) as connection:
        yield connection


def apply(plan: Plan) -> Report:
    """Change the host as the plan says.

    Each step is checked, journalled, made and verified.  If one fails, what was
    done is undone in reverse, unless something irreversible has happened.  A
    plan that a killed process left half applied is continued.

    Parameters
    ----------
    plan
        From one of the ``plan_`` functions, or from :func:`pending`.

    Returns
    -------
    Report
        A row per step.  :func:`undo` takes it back.  On the practice host a plan that
        would change the system around libvirt is only rehearsed: every row is SKIP, and
        there is nothing to take back.

    Raises
    ------
    ApplyFailed
        A step failed; the message says which, why, and where the host stands now.
    Busy
        Another process is applying a plan to this host.
    """
    host = connect(plan.uri)
    if host.practice and any(step.action in _rehearsed for step in plan.steps):
        found = "rehearsed: the practice host has no system around libvirt to change"
        checks = [Check(step.title, Status.SKIP, found) for step in plan.steps]
        return Report(plan.title, plan.uri, checks, plan.id)
    with journal.lock(plan.uri, f"applying plan {plan.id} ({plan.title})"):
        last = _last(plan.uri, plan.id)
        if plan.empty or (last and last.state == "done" and _stands(host, last)):
            return Report(plan.title, plan.uri, [_already(step) for step in plan.steps], plan.id)
        entry = last if last and last.state in journal.OPEN else Entry.begin(plan)
        return _forward(host, entry, [s.secrets for s in plan.steps])


def undo(what: Report | Host, plan_id: str = "") -> Report:
    """Take back what a plan did, in reverse.

    Parameters
    ----------
    what
        The report of :func:`apply`; or the host, with the id of the plan.
    plan_id
        Which plan, where `what` is a host: also after a restart of the kernel,
        also one that a killed process left half applied.

    Returns
    -------
    Report
        A row per step.

    Raises
    ------
    NotFound
        No such plan has been applied to that host, or it has been undone already.
    ApplyFailed
        A step cannot be taken back; the message says which and why.
    """
    host = what if isinstance(what, Host) else connect(what.uri)
    plan_id = plan_id or (what.plan_id if isinstance(what, Report) else "")
    with journal.lock(host.uri, f"undoing plan {plan_id}"):
        entry = _last(host.uri, plan_id)
        if entry is None or entry.state == "undone":
            raise NotFound(f"no applied plan {plan_id!r} to undo on {host.uri}; see kk.history(host)")
        gone = _gone(host, entry)
        if gone:  # nothing is touched then, so that the host is left in a state that has a name
            checks = [Check(title, Status.FAIL, "cannot be undone") for title in gone]
            report = Report(f"undo {entry.plan.title}", host.uri, checks, plan_id)
            raise ApplyFailed(f"plan {plan_id} on {host.uri} cannot be undone: {'; '.join(gone)}", report)
        checks, failed = _backward(host, entry)
        report = Report(f"undo {entry.plan.title}", host.uri, checks, plan_id)
        if failed:
            raise ApplyFailed(f"plan {plan_id} is not wholly undone on {host.uri}: {failed}", report)
        return report


def pending(host: Host) -> list[Plan]:
    """Plans that a killed process left half applied or half undone.

    Parameters
    ----------
    host
        The host.

    Returns
    -------
    list of Plan
        Oldest first.  ``kk.apply(p)`` continues one, ``kk.undo(host, p.id)`` takes it back.
    """
    return [_told(entry) for entry in _open(host.uri)]


def history(host: Host) -> pd.DataFrame:
    """List what was done to a host from this account, oldest first.

    Parameters
    ----------
    host
        The host.

    Returns
    -------
    pandas.DataFrame
        RangeIndex; columns ``time`` (UTC), ``operator`` (who), ``what``, ``plan``
        (its id; empty for a lifecycle verb), ``state`` (applying, done, undoing, undone, asked).
    """
    return journal.history_frame(host.uri)


def _open(uri: str) -> list[Entry]:
    return [e for e in journal.entries(uri) if e.state in journal.OPEN]


def _last(uri: str, plan_id: str) -> Entry | None:
    return next(reversed(journal.entries(uri, plan_id)), None)


def _stands(host: Host, entry: Entry) -> bool:
    """Whether everything that an application made is still there."""
    steps = zip(entry.plan.steps, entry.steps, strict=True)
    with contextlib.suppress(Conflict):  # something else has taken its place
        return all(_actions[step.action].made(host, step, state, entry.token) for step, state in steps)
    return False


def _already(step: Step) -> Check:
    return Check(step.title, Status.PASS, "already so")


def _told(entry: Entry) -> Plan:
    done = sum(state in ("done", "already") for state in entry.steps)
    note = f"{entry.state} since {entry.time[:19]} UTC: {done} of {len(entry.steps)} steps are done"
    return entry.plan.model_copy(update={"notes": (*entry.plan.notes, note)})


def _forward(host: Host, entry: Entry, secrets: list[dict[str, SecretStr]]) -> Report:
    checks: list[Check] = []
    entry.write(state="applying")
    for number, step in enumerate(entry.plan.steps):
        try:
            checks.append(_make(host, entry, number, step.model_copy(update={"secrets": secrets[number]})))
        except (Exception, KeyboardInterrupt) as error:
            checks.append(Check(step.title, Status.FAIL, _said(error)))
            failed = _after_failure(host, entry, checks)
            report = Report(entry.plan.title, host.uri, checks, entry.plan.id)
            message = f"{entry.plan.title} failed on {host.uri} at '{step.title}': {_said(error)}. {failed}"
            raise ApplyFailed(message, report) from error
    entry.write(state="done")
    return Report(entry.plan.title, host.uri, checks, entry.plan.id)


def _make(host: Host, entry: Entry, number: int, step: Step) -> Check:
    code = _actions[step.action]
    state = "" if entry.steps[number] == "undone" else entry.steps[number]
    if code.made(host, step, state, entry.token):
        if state == "":
            entry.write(step=number, state="already")
        elif state in ("started", "undoing"):
            entry.write(step=number, state="done")
        return _already(step)
    entry.write(step=number, state="started")
    code.make(host, step, entry.token)
    entry.write(step=number, state="done")
    if not code.made(host, step, "done", entry.token):
        raise Conflict("it was done, but the host does not show it")
    return Check(step.title, Status.PASS, "done")


def _gone(host: Host, entry: Entry) -> list[str]:
    """Name what has been lost for good by the steps that were made."""
    lost = []
    for step, state in zip(entry.plan.steps, entry.steps, strict=True):
        if step.lost and state in ("started", "done"):
            lost += [step.lost] * _actions[step.action].made(host, step, state, entry.token)
    return lost


def _after_failure(host: Host, entry: Entry, checks: list[Check]) -> str:
    held = "kk.pending(host) holds the plan, and kk.apply continues it"
    try:
        gone = _gone(host, entry)
    except KvmkitError as error:  # the host itself may have gone
        return f"Nothing is undone: {error}. {held}, kk.undo(host, {entry.plan.id!r}) takes it back."
    if gone:
        return f"It is not undone, as this is gone for good: {'; '.join(gone)}. {held}."
    undone, failed = _backward(host, entry)
    checks += undone
    if failed:
        return f"Taking it back failed too: {failed}. {held}, kk.undo(host, {entry.plan.id!r}) takes it back."
    return "What had been done is undone: the host is as before."


def _backward(host: Host, entry: Entry) -> tuple[list[Check], str]:
    """Undo in reverse as far as possible; the second value says what was not."""
    entry.write(state="undoing")
    checks: list[Check] = []
    for number in reversed(range(len(entry.steps))):
        if entry.steps[number] not in ("started", "done", "undoing"):
            continue
        step = entry.plan.steps[number]
        try:
            checks.append(_unmake(host, entry, number, step))
        except Exception as error:  # noqa: BLE001 - whatever it was, the rest is to be told
            # What stands before it may still be needed by what is left: stop here, keep the journal open.
            checks.append(Check(f"undo: {step.title}", Status.FAIL, _said(error)))
            return checks, f"'{step.title}': {_said(error)}"
    entry.write(state="undone")
    return checks, ""


def _unmake(host: Host, entry: Entry, number: int, step: Step) -> Check:
    code = _actions[step.action]
    title = f"undo: {step.title}"
    state = entry.steps[number]
    try:
        made = code.made(host, step, state, entry.token)
    except Conflict as conflict:
        if state == "done":
            raise
        # Begun, and what is there is not as we make it: then it is somebody else's.
        entry.write(step=number, state="undone")
        return Check(title, Status.WARN, f"left alone: {conflict}")
    if not made and state != "undoing" and step.action not in _gradual:
        entry.write(step=number, state="undone")
        return Check(title, Status.PASS, "nothing to take back")
    entry.write(step=number, state="undoing")
    code.unmake(host, step)
    entry.write(step=number, state="undone")
    return Check(title, Status.PASS, "taken back")


def _said(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, KvmkitError):
        return str(error)
    return f"{type(error).__name__}: {error}"
