"""What is being done at this moment, for whoever watches a plan being applied; whether they want it to end.

All of it goes by context, so that nothing between the engine and a package manager has to hand it on.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from kvmkit.safe import one_line

__all__ = [
    "Progress",
    "Stop",
    "cancellable",
    "command_runs",
    "note",
    "noting",
    "safe_point",
    "stoppable",
    "tell",
    "telling",
]

Progress = Callable[[str], object]
"""Told in a few words what is being done now: a step's title, or ``unpacking libvirt0``."""

_progress: ContextVar[Progress | None] = ContextVar("progress", default=None)
_notes: ContextVar[Callable[[str, str], object] | None] = ContextVar("notes", default=None)
_cancel: ContextVar[threading.Event | None] = ContextVar("cancel", default=None)
_stoppable: ContextVar[bool] = ContextVar("stoppable", default=False)


class Stop(Exception):
    """A person has cancelled, and here it is safe to end: undo sees all that was begun."""


@contextlib.contextmanager
def telling(progress: Progress | None) -> Iterator[None]:
    """Have this thread tell `progress` what it does; None: nobody."""
    before = _progress.set(progress)
    try:
        yield
    finally:
        _progress.reset(before)


def tell(what: str) -> None:
    """Tell whoever watches; a fault of theirs must not end an installation half-way."""
    progress = _progress.get()
    if progress:
        with contextlib.suppress(Exception):
            progress(one_line(what))


@contextlib.contextmanager
def noting(notes: Callable[[str, str], object]) -> Iterator[None]:
    """Have `notes` told what is worth a row of the report."""
    before = _notes.set(notes)
    try:
        yield
    finally:
        _notes.reset(before)


def note(when: str, what: str) -> None:
    """Tell whoever watches, and have the report say it, too."""
    tell(f"{when}: {what}")
    if notes := _notes.get():
        notes(when, what)


@contextlib.contextmanager
def cancellable(cancel: threading.Event | None) -> Iterator[None]:
    """Have safe points stop this thread once `cancel` is set; None: nothing stops it."""
    before = _cancel.set(cancel)
    try:
        yield
    finally:
        _cancel.reset(before)


def safe_point() -> None:
    """End here if a person has cancelled.  For loops that wait, and between steps.

    Raises
    ------
    Stop
        To be caught by the engine alone, which takes back what was done.
    """
    cancel = _cancel.get()
    if cancel and cancel.is_set():
        raise Stop


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let the commands that are run in here be killed when a person cancels; all others are waited for."""
    before = _stoppable.set(True)
    try:
        yield
    finally:
        _stoppable.reset(before)


def command_runs() -> None:
    """Look, while a command runs, whether it is to be killed: a safe point, if it is stoppable."""
    if _stoppable.get():
        safe_point()
