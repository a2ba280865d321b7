"""Waiting for states, never for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SECONDS = 90
"""Bound of a wait for anything but the boot of a virtual host; enough where both processors are busy."""


def wait_until(
    ask: Callable[[], T], what: str, timeout: float = SECONDS, *, saw: Callable[[], object] | None = None
) -> T:
    """Ask until the answer is true and return it.

    After `timeout` seconds a TimeoutError names `what` was awaited, and what was there instead: that is what
    `saw` answers, or else the last answer of `ask`.
    """
    deadline = time.monotonic() + timeout
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout} s: {what}; instead: {saw() if saw else repr(answer)}")
        time.sleep(0.05)
    return answer
