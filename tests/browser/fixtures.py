"""The fixtures that give a test a browser; a tier's conftest.py imports them."""

import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from tests.browser.bounds import bound_calls, bound_waits, tell
from tests.browser.lab import ROOT

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-sync",
]
SHOTS = ROOT / "build/browser"
"""Where the pictures of pages are on which a test failed."""
_BROWSER = pytest.StashKey[Browser]()
CONTEXT = pytest.StashKey[BrowserContext]()
"""Of a test: what its pages are in."""
FAILED = pytest.StashKey[bool]()
"""Of a test: whether it has failed so far."""


@pytest.fixture(scope="session")
def chromium() -> str:
    """Playwright's own browsers are not on the package index, so a system's Chromium is taken."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="session")
def browser(chromium: str, request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Start a browser for all tests of the process; two tiers in one process share it."""
    stash = request.config.stash
    if _BROWSER in stash:
        yield stash[_BROWSER]
        return
    with bound_calls(), sync_playwright() as playwright:
        stash[_BROWSER] = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield stash[_BROWSER]
        stash[_BROWSER].close()
        del stash[_BROWSER]


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open a page that shares nothing with the pages of other tests."""
    opened = new_page(browser)
    request.node.stash[CONTEXT] = opened.context
    yield opened
    opened.context.close()


def new_page(browser: Browser) -> Page:
    """Open a page in a context of its own: with its own cookies, cache and permissions."""
    context = browser.new_context(viewport={"width": 1280, "height": 1100})
    bound_waits(context)
    return context.new_page()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failed test what its pages showed, and keep pictures of them."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    if report.failed and call.when != "teardown" and CONTEXT in item.stash:
        for number, page in enumerate(item.stash[CONTEXT].pages):
            shot = SHOTS / f"{item.path.stem}-{item.name}-{number}.png"
            report.sections.append((f"What the page showed, {_pictured(page, shot)}", tell(page)))
    return report


def _pictured(page: Page, shot: Path) -> str:
    """Take the picture, and say where it is or why there is none."""
    try:
        page.screenshot(path=shot, timeout=10_000)
    except Error as error:
        return f"without a picture: {error.message.splitlines()[0]}"
    return f"as in {shot.relative_to(ROOT)}"
