from pathlib import Path

import pytest

from tests import written
from tests.browser.fixtures import browser, chromium, page, pytest_runtest_makereport

__all__ = ["browser", "chromium", "page", "pytest_runtest_makereport"]

ROOT = Path(__file__).resolve().parent.parent.parent
CANNOT = "Error 77"
"""How make tells that tools/build-docs can't have a part on this machine."""


@pytest.fixture(scope="session")
def pages() -> Path:
    """The folder of the documentation, built anew."""
    done = written.run("make docs", timeout=600)
    *said, last = done.stderr.splitlines() or [""]
    if last.endswith(CANNOT):
        pytest.skip(said[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "build" / "docs"
