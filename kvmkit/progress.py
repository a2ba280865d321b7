"""What is being done at this moment, for whoever watches a plan being applied."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

__all__ = ["Progress", "tell", "telling"]

Progress = Callable[[str], object]
"""Told in a few words what is being done now: a step's title, or ``unpacking libvirt0``."""

# By context, so that nothing between the engine and a package manager has to hand it on.
_progress: ContextVar[Progress | None] = ContextVar("progress", default=None)


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
            progress(what)
