from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page

import kvmkit as kk
from tests.browser.fixtures import browser, chromium, page, pytest_runtest_makereport
from tests.browser.lab import ROOT, Server, served

__all__ = ["browser", "chromium", "page", "pytest_runtest_makereport"]

Picture = Callable[[Page | Locator, str, Locator], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="take the documentation's pictures anew")


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
def practice_host(server: Server, fresh_state: None, monkeypatch: pytest.MonkeyPatch) -> kk.Host:
    """The practice host that the kernels see, as on its first day."""
    monkeypatch.setenv("XDG_STATE_HOME", str(server.state))
    kk.fresh_practice_host()
    return kk.connect("test:///default")
