"""apply, undo, pending and history: the verbs that change a host by a plan.

They find the journal's entry of a plan, one at a time per host, and have the
engine take its steps forward or back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

import libvirt
import pandas as pd

from kvmkit import journal
from kvmkit.actions import kind
from kvmkit.engine import Ask, already, backward, forward, gone, stands
from kvmkit.errors import ApplyFailed, NotApplied, NotFound, Unsupported
from kvmkit.host import Host, connect
from kvmkit.journal import Entry
from kvmkit.plan import Plan
from kvmkit.progress import Progress, cancellable, telling
from kvmkit.report import Check, Report, Status

__all__ = ["acting", "apply", "history", "in_voila", "pending", "undo"]


@contextlib.contextmanager
def acting(host: Host, what: str) -> Iterator[libvirt.virConnect]:
    """Give the libvirt connection for a lifecycle verb: journalled, libvirt's errors made clear."""
    _refuse_cells_of_voila(what)
    journal.note_act(host.uri, what)
    with host.changing(what) as connection:
        yield connection


def apply(
    plan: Plan,
    *,
    ask: Ask | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    keep: bool = False,
) -> Report:
    """Change the host as the plan says.

    Each step is checked, journalled, made and verified.  If one fails, what was
    done is undone in reverse, unless something irreversible has happened.  A
    plan that a killed process left half applied is continued.

    Ctrl-C (in a notebook: interrupt the kernel) cancels: what must not be
    interrupted is finished, then what was done is undone.  A second one
    interrupts at once.

    Parameters
    ----------
    plan
        From one of the ``plan_`` functions, or from :func:`pending`.
    ask
        Called before each step that has something to ask, with the step and the seconds that are
        left; if it says no, what was done is undone.  Without it such steps are made at once.
    progress
        Told in a few words what is being done now: each step's title as it begins, and while
        packages are installed ``unpacking libvirt0`` and the like; for example ``print``.
    cancel
        Once another thread sets it, the plan ends as by Ctrl-C.
    keep
        Whether a failure leaves what was done, for a look at it; the plan is pending then.

    Returns
    -------
    Report
        A row per step, and before it one for each thing worth telling that was seen meanwhile.
        :func:`undo` takes it back.  On the practice host a plan that would change the system
        around libvirt, or boot one, is only rehearsed: every row is SKIP, and there is nothing
        to take back.

    Raises
    ------
    ApplyFailed
        A step failed; the message says which, why, and where the host stands now.
    Cancelled
        A person has cancelled; the message says where the host stands now.
    Busy
        Another process is applying a plan to this host.
    NotApplied
        Voila runs this cell only because somebody opened the page; a button is what counts there.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.apply(kk.plan_vm(host, kk.VMSpec(name="web1")))
    create VM web1 on test:///default: 3 PASS
    PASS  create volume web1.qcow2 in pool default: 10 GiB, qcow2: done
    PASS  define VM web1: 1024 MiB, 1 vCPU, network default: done
    PASS  start VM web1: done
    """
    host = connect(plan.uri)
    if reason := _rehearsed(host, plan):
        checks = [Check(step.title, Status.SKIP, f"rehearsed: {reason}") for step in plan.steps]
        return Report(plan.title, plan.uri, checks, plan.id)
    with (
        journal.lock(plan.uri, f"applying plan {plan.id} ({plan.title})"),
        telling(progress),
        _cancellable_by_keyboard(cancel or threading.Event()),
    ):
        last = _last(plan.uri, plan.id)
        if plan.empty or (last and last.state == "done" and stands(host, last)):
            return Report(plan.title, plan.uri, [already(step) for step in plan.steps], plan.id)
        _refuse_cells_of_voila(plan.title)
        entry = last if last and last.state in journal.OPEN else Entry.begin(plan)
        return forward(host, entry, [s.secrets for s in plan.steps], ask, keep=keep)


def undo(what: Report | Host, plan_id: str = "", *, progress: Progress | None = None) -> Report:
    """Take back what a plan did, in reverse.

    Parameters
    ----------
    what
        The report of :func:`apply`; or the host, with the id of the plan.
    plan_id
        Which plan, where `what` is a host: also after a restart of the kernel,
        also one that a killed process left half applied.
    progress
        Told in a few words what is being taken back now, as by :func:`apply`.

    Returns
    -------
    Report
        A row per step.

    Raises
    ------
    NotFound
        No such plan has been applied to that host, or it has been undone already.
    ApplyFailed
        A step cannot be taken back; the message says which and why. Also after Ctrl-C, which lets the
        step that is being taken back be finished.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> report = kk.apply(kk.plan_vm(host, kk.VMSpec(name="web1")))
    >>> kk.undo(host, report.plan_id).ok
    True
    """
    host = what if isinstance(what, Host) else connect(what.uri)
    plan_id = plan_id or (what.plan_id if isinstance(what, Report) else "")
    with (
        journal.lock(host.uri, f"undoing plan {plan_id}"),
        telling(progress),
        _cancellable_by_keyboard(threading.Event()),
    ):
        entry = _last(host.uri, plan_id)
        if entry is None or entry.state == "undone":
            raise NotFound(f"no applied plan {plan_id!r} to undo on {host.uri}; see kk.history(host)")
        lost = gone(host, entry)
        if lost:  # nothing is touched then, so that the host is left in a state that has a name
            checks = [Check(title, Status.FAIL, "cannot be undone") for title in lost]
            report = Report(f"undo {entry.plan.title}", host.uri, checks, plan_id)
            raise ApplyFailed(f"plan {plan_id} on {host.uri} cannot be undone: {'; '.join(lost)}", report)
        _refuse_cells_of_voila(f"undo {entry.plan.title}")
        checks, failed = backward(host, entry)
        report = Report(f"undo {entry.plan.title}", host.uri, checks, plan_id)
        if failed:
            raise ApplyFailed(
                f"plan {plan_id} is not wholly undone on {host.uri}, and "
                f"kk.undo(host, {plan_id!r}) goes on with it: {failed}",
                report,
            )
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

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.pending(host)
    []
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
        RangeIndex; columns ``time`` (UTC), ``operator`` (who), ``what`` (of a runbook's run also
        where its executed notebook is kept), ``plan`` (its id; empty for a lifecycle verb and a run),
        ``state`` (of a plan: applying, done, undoing, undone; of a verb: asked; of a run: running,
        also if it was killed then, done, failed).

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.suspend(host, "demo")
    >>> kk.history(host)[["what", "state"]]
                  what  state
    0  suspend VM demo  asked
    """
    return journal.history_frame(host.uri)


@contextlib.contextmanager
def _cancellable_by_keyboard(cancel: threading.Event) -> Iterator[None]:
    """Have `cancel` end what is done in here, and the first Ctrl-C set it; the second is as ever."""
    before = signal.getsignal(signal.SIGINT)
    # Signals come to the main thread alone, and a program may have asked for none.
    ours = threading.current_thread() is threading.main_thread() and callable(before)

    def pressed(_signal: int, _frame: FrameType | None) -> None:
        cancel.set()
        signal.signal(signal.SIGINT, before)
        sys.stderr.write("Cancelling at the next safe point; once more interrupts at once.\n")

    if ours:
        signal.signal(signal.SIGINT, pressed)
    try:
        with cancellable(cancel):
            yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)


def in_voila() -> bool:
    """Whether Voila shows this notebook: it says so to its kernels."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")


def _refuse_cells_of_voila(what: str) -> None:
    """Refuse what a cell does in Voila, which runs all when a page is opened; buttons have threads."""
    if in_voila() and threading.current_thread() is threading.main_thread():
        raise NotApplied(
            f"{what}: not done, as Voila runs every cell when somebody opens the page. Use a button, or open "
            "this runbook in JupyterLab"
        )


def _rehearsed(host: Host, plan: Plan) -> str:
    """Say why a plan can only be rehearsed; empty if it can be applied."""
    kinds = [kind(step) for step in plan.steps] if host.practice else []
    if any(found.boots for found in kinds):
        return "a VM of the practice host runs no system, and no installer either"
    if any(found.rehearsed for found in kinds):
        return "the practice host has no system around libvirt to change"
    if any(found.networked for found in kinds):
        try:
            host.networked()
        except Unsupported as error:
            return str(error)
    return ""


def _open(uri: str) -> list[Entry]:
    return [e for e in journal.entries(uri) if e.state in journal.OPEN]


def _last(uri: str, plan_id: str) -> Entry | None:
    return next(reversed(journal.entries(uri, plan_id)), None)


def _told(entry: Entry) -> Plan:
    done = sum(state in ("done", "already") for state in entry.steps)
    note = f"{entry.state} since {entry.time[:19]} UTC: {done} of {len(entry.steps)} steps are done"
    foot = f"kk.apply(plan) goes on with it, kk.undo(host, {entry.plan.id!r}) takes it back."
    return entry.plan.model_copy(update={"notes": (*entry.plan.notes, note), "foot": foot})
