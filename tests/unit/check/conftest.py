"""Facts of the captures."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kvmkit.check.facts import Facts, parse

CAPTURES = Path(__file__).parents[2] / "captures"


@pytest.fixture
def read_capture() -> Callable[[str], Facts]:
    """Parse a capture by its name."""
    return lambda name: parse((CAPTURES / f"{name}.txt").read_text())


@pytest.fixture
def debian12(read_capture: Callable[[str], Facts]) -> Facts:
    """A host that is ready, as root sees it."""
    return read_capture("debian12")


@pytest.fixture
def rhel9(read_capture: Callable[[str], Facts]) -> Facts:
    """A ready host with modular daemons and SELinux."""
    return read_capture("rhel9")
