"""What the tests of preparing share: captures, recorded texts, and this machine as a host."""

from collections.abc import Callable
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.check.facts import Facts, parse
from kvmkit.prepare import files
from kvmkit.prepare.root import Root

CAPTURES = Path(__file__).parents[2] / "captures"
RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture
def read_capture() -> Callable[[str], Facts]:
    """Parse a capture by its name."""
    return lambda name: parse((CAPTURES / f"{name}.txt").read_text())


@pytest.fixture
def recorded() -> Callable[[str], str]:
    """Read a text that a package manager printed."""
    return lambda name: (RECORDED / name).read_text()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> kk.Host:
    """This machine as a host: real commands, on files in a folder of the test that need no root."""
    monkeypatch.setattr(files, "KEPT", f"{tmp_path}/var/kept")
    monkeypatch.setattr(files, "as_root", Root)
    return kk.connect("qemu:///system")
