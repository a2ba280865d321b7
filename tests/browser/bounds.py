"""Every call of a browser ends, and a failed test says what its pages showed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator
from typing import Any

from playwright._impl._sync_base import SyncBase
from playwright.sync_api import BrowserContext, Error, Page, expect

SECONDS = 80
"""Bound of each wait that Playwright itself bounds; a wait takes a second or two."""
CALL_SECONDS = SECONDS + 10
"""Bound of every call. It is the longer one because Playwright's own message says more."""
TOLD = 6000
"""Characters of a page that are told."""

# What a person would look at first: questions in front, what cells and forms say, the terminal.
LOOK = """() => {
    const outputs = '.jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output';
    const found = [...document.querySelectorAll(`.jp-Dialog, .Toastify__toast, ${outputs}`)];
    const seen = (found.length ? found : [document.body]).map((element) => element.innerText.trim());
    const rows = [...document.querySelectorAll('.xterm-rows > div')].map((row) => row.textContent.trimEnd());
    return [...seen, ...rows].filter((text) => text).join('\\n');
}"""


@contextlib.contextmanager
def bound_calls(seconds: float = CALL_SECONDS) -> Iterator[None]:
    """Have every call end after `seconds`, with an error that names the call.

    Playwright bounds waits for elements and pages, but neither the script of `evaluate` nor `count`, the
    keyboard and others. All calls of its synchronous interface pass through one private method, so this is
    the one place where all can be bounded.
    """
    kept = SyncBase._sync

    async def bounded(call: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await call
        except TimeoutError:
            name = getattr(call, "__qualname__", "the call")
            raise Error(f"{name} did not end within {seconds} s") from None

    def sync(self: SyncBase, awaitable: Awaitable[Any]) -> Any:
        return kept(self, bounded(awaitable))

    SyncBase._sync = sync  # type: ignore[method-assign]
    try:
        yield
    finally:
        SyncBase._sync = kept  # type: ignore[method-assign]


def bound_waits(context: BrowserContext) -> None:
    """Set Playwright's own bound for the pages of a context."""
    context.set_default_timeout(SECONDS * 1000)
    expect.set_options(timeout=SECONDS * 1000)


def tell(page: Page, seconds: float = 10) -> str:
    """Say what a page shows: its address, and the texts that a person would look at first."""
    try:
        with bound_calls(seconds):
            text = page.evaluate(LOOK)
    except Error as error:
        text = f"it does not answer: {error.message}"
    half = TOLD // 2
    told = text if len(text) <= TOLD else f"{text[:half]}\n[...]\n{text[-half:]}"
    return f"{page.url.partition('?')[0]}\n{told}"
