"""The fixtures that give a test a browser; a tier's conftest.py imports them."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.lab import browser_page


@pytest.fixture(scope="session")
def chromium() -> str:
    """Playwright's own browsers are not on the package index, so a system's Chromium is taken."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    return found


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    with browser_page(chromium) as opened:
        yield opened
