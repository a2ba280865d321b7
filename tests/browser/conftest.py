from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

import kvmkit as kk
from tests.browser.fixtures import (
    CONTEXT,
    FAILED,
    browser,
    chromium,
    new_page,
    page,
    pytest_runtest_makereport,
)
from tests.browser.lab import CLOSE_ALL, ROOT, Server, open_lab, served

__all__ = ["browser", "chromium", "page", "pytest_runtest_makereport"]

_LAB_PAGE = pytest.StashKey[Page]()
Picture = Callable[[Page | Locator, str, Locator], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="take the documentation's pictures anew")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests measured."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{value} {name}")


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Picture:
    """Keep what is seen, from something on, as a picture of the documentation; only for `make pictures`."""

    def take(seen: Page | Locator, name: str, top: Locator) -> None:
        if request.config.getoption("pictures", default=False):
            top.evaluate("element => element.scrollIntoView()")
            shot = Image.open(BytesIO(seen.screenshot(animations="disabled"))).convert("RGB")
            # A page has few colours; so it takes a third of the bytes.
            shot.quantize(128, dither=Image.Dither.NONE).save(ROOT / f"docs/images/{name}.png", optimize=True)

    return take


@pytest.fixture(scope="session")
def running_server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start one JupyterLab for all tests of the process: a start takes longer than most tests."""
    with served(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def server(running_server: Server) -> Server:
    """Give the JupyterLab as it was at its start."""
    running_server.renew()
    return running_server


@pytest.fixture
def lab_page(server: Server, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Give a JupyterLab with nothing open in it; the tests of the process share it until one fails."""
    stash = request.config.stash
    if _LAB_PAGE not in stash:
        stash[_LAB_PAGE] = new_page(browser)
        request.node.stash[CONTEXT] = stash[_LAB_PAGE].context
        open_lab(stash[_LAB_PAGE], server)
    page = stash[_LAB_PAGE]
    request.node.stash[CONTEXT] = page.context
    yield page
    if request.node.stash.get(FAILED, True):
        page.context.close()
        del stash[_LAB_PAGE]
    else:
        page.evaluate(CLOSE_ALL)


@pytest.fixture
def practice_host(server: Server, fresh_state: None, monkeypatch: pytest.MonkeyPatch) -> kk.Host:
    """The practice host that the kernels see, as on its first day."""
    monkeypatch.setenv("XDG_STATE_HOME", str(server.state))
    kk.fresh_practice_host()
    return kk.connect("test:///default")
