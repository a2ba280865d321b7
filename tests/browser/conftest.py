import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.lab import Server, browser_page, served


@pytest.fixture(scope="session")
def chromium() -> str:
    """Playwright's own browsers are not on the package index, so a system's Chromium is taken."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="module")
def server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    with browser_page(chromium) as opened:
        yield opened
