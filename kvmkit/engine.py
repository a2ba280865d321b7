"""The engine behind apply and undo: it takes the steps of one journal entry forward and back.

Each step is checked, journalled, made, journalled and verified; when one fails,
what was done is taken back in reverse.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial

from pydantic import SecretStr

from kvmkit.actions import kind
from kvmkit.errors import ApplyFailed, Cancelled, Conflict, KvmkitError, NotApplied
from kvmkit.host import Host
from kvmkit.journal import Entry
from kvmkit.plan import Step
from kvmkit.progress import Stop, cancellable, noting, safe_point, tell
from kvmkit.report import Check, Report, Status

__all__ = ["Ask", "already", "backward", "forward", "gone", "stands"]

Ask = Callable[[Step, float], bool]
"""Asks a person what a step has to ask, who has so many seconds to answer; whether it may be made."""
CANCELLED = "cancelled by a person"
HELD = "kk.pending(host) holds the plan, and kk.apply continues it"


def stands(host: Host, entry: Entry) -> bool:
    """Whether everything that an application made is still there."""
    steps = zip(entry.plan.steps, entry.steps, strict=True)
    with contextlib.suppress(Conflict):  # something else has taken its place
        return all(kind(step).code.made(host, step, state, entry.token) for step, state in steps)
    return False


def already(step: Step) -> Check:
    """Say that a step finds the host as it would leave it."""
    return Check(step.title, Status.PASS, "already so")


def forward(
    host: Host,
    entry: Entry,
    secrets: list[dict[str, SecretStr]],
    ask: Ask | None = None,
    *,
    keep: bool = False,
) -> Report:
    """Make what is not made yet of an entry's plan; `keep`: undo nothing after a failure.

    Raises
    ------
    ApplyFailed
        A step failed; what was done has been undone, or the message says why not.
    Cancelled
        As that, where a person has cancelled.
    """
    checks: list[Check] = []
    entry.write(state="applying")
    began = time.monotonic()
    for number, step in enumerate(entry.plan.steps):
        confirm = partial(_confirm, step, began, ask)
        began = time.monotonic()
        try:
            given = step.model_copy(update={"secrets": secrets[number]})
            with noting(partial(_note, checks)):
                check = _make(host, entry, number, given, confirm)
            checks.append(check)
            if number == len(entry.plan.steps) - 1:
                safe_point()
        except (Exception, KeyboardInterrupt) as error:
            raise _failed(host, entry, step, checks, error, keep=keep) from error
    entry.write(state="done")
    return Report(entry.plan.title, host.uri, checks, entry.plan.id)


def _note(checks: list[Check], when: str, what: str) -> None:
    checks.append(Check(when, Status.PASS, what))


def _confirm(step: Step, since: float, ask: Ask | None) -> None:
    yes = not (step.ask and ask) or ask(step, since + step.ask_seconds - time.monotonic())
    safe_point()
    if not yes:
        raise NotApplied("it was not confirmed")


def _make(host: Host, entry: Entry, number: int, step: Step, confirm: Callable[[], None]) -> Check:
    code = kind(step).code
    state = "" if entry.steps[number] == "undone" else entry.steps[number]
    if state == "done" and kind(step).fleeting:
        state = "started"
    if code.made(host, step, state, entry.token):
        if state == "":
            entry.write(step=number, state="already")
        elif state in ("started", "undoing"):
            entry.write(step=number, state="done")
        return already(step)
    confirm()
    entry.write(step=number, state="started")
    tell(step.title)
    code.make(host, step, entry.token)
    entry.write(step=number, state="done")
    if not code.made(host, step, "done", entry.token):
        raise Conflict("it was done, but the host does not show it")
    return Check(step.title, Status.PASS, "done")


def gone(host: Host, entry: Entry) -> list[str]:
    """Name what has been lost for good by the steps that were made."""
    lost = []
    for step, state in zip(entry.plan.steps, entry.steps, strict=True):
        if step.lost and state in ("started", "done"):
            lost += [step.lost] * kind(step).code.made(host, step, state, entry.token)
    return lost


def _failed(
    host: Host, entry: Entry, step: Step, checks: list[Check], error: BaseException, *, keep: bool
) -> ApplyFailed:
    """Take back what was done, as nothing can be cancelled any more, and say where the host stands."""
    checks.append(Check(step.title, Status.FAIL, _said(error)))
    cancelled = isinstance(error, Stop)
    with cancellable(None):
        stands = _after_failure(host, entry, checks, cancelled=cancelled, keep=keep and not cancelled)
    report = Report(entry.plan.title, host.uri, checks, entry.plan.id)
    how = f"at '{step.title}': {_said(error)}"
    if cancelled:
        return Cancelled(f"{entry.plan.title} on {host.uri} {how}. {stands}", report)
    return ApplyFailed(f"{entry.plan.title} failed on {host.uri} {how}. {stands}", report)


def _after_failure(host: Host, entry: Entry, checks: list[Check], *, cancelled: bool, keep: bool) -> str:
    ways = f"{HELD}, kk.undo(host, {entry.plan.id!r}) takes it back."
    try:
        entry.write(state="applying", failed=True, **({"why": CANCELLED} if cancelled else {}))
        if keep:
            return f"It is kept as it is. {ways}"
        lost = gone(host, entry)
    except (KvmkitError, KeyboardInterrupt) as error:  # the host itself may have gone, or the disk be full
        return f"Nothing is undone: {_said(error)}. {ways}"
    if lost:
        return f"It is not undone, as this is gone for good: {'; '.join(lost)}. {HELD}."
    undone, failed = backward(host, entry)
    checks += undone
    if failed:
        return f"Taking it back failed too: {failed}. {ways}"
    return "What had been done is undone: the host is as before."


def backward(host: Host, entry: Entry) -> tuple[list[Check], str]:
    """Undo in reverse as far as possible; the second value says what was not."""
    checks: list[Check] = []
    for number in reversed(range(len(entry.steps))):
        if entry.steps[number] not in ("started", "done", "undoing"):
            continue
        step = entry.plan.steps[number]
        try:
            safe_point()
            with cancellable(None):
                checks.append(_unmake(host, entry, number, step))
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it was, the rest is to be told
            # What stands before it may still be needed by what is left: stop here, keep the journal open.
            checks.append(Check(f"undo: {step.title}", Status.FAIL, _said(error)))
            return checks, f"'{step.title}': {_said(error)}"
    entry.write(state="undone")
    return checks, ""


def _unmake(host: Host, entry: Entry, number: int, step: Step) -> Check:
    code = kind(step).code
    title = f"undo: {step.title}"
    state = entry.steps[number]
    made, foreign = False, None
    try:
        made = code.made(host, step, state, entry.token)
    except Conflict as conflict:
        if state == "done":
            raise
        foreign = conflict
    if entry.state != "undoing":  # without a host to look at nothing is
        entry.write(state="undoing")
    if foreign:  # begun, and what is there is not as we make it: then it is somebody else's
        entry.write(step=number, state="undone")
        return Check(title, Status.WARN, f"left alone: {foreign}")
    if not made and state != "undoing" and not kind(step).gradual:
        entry.write(step=number, state="undone")
        return Check(title, Status.PASS, "nothing to take back")
    entry.write(step=number, state="undoing")
    tell(title)
    code.unmake(host, step)
    entry.write(step=number, state="undone")
    return Check(title, Status.PASS, "taken back")


def _said(error: BaseException) -> str:
    if isinstance(error, Stop):
        return CANCELLED
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, KvmkitError):
        return str(error)
    return f"{type(error).__name__}: {error}"
