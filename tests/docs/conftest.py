import subprocess
from pathlib import Path

import pytest

from tests.browser.fixtures import browser, chromium, page, pytest_runtest_makereport

__all__ = ["browser", "chromium", "page", "pytest_runtest_makereport"]

ROOT = Path(__file__).resolve().parent.parent.parent
CANNOT = 77  # what tools/build-docs answers when a part can't be had on this machine


@pytest.fixture(scope="session")
def pages() -> Path:
    """The folder of the documentation, built anew."""
    done = subprocess.run(["tools/build-docs"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == CANNOT:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "build" / "docs"
