"""What all tests share, doctests and runbooks included: state of their own, and nothing of the person's."""

import atexit
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmkit.errors import Unsupported
from kvmkit.sandbox import Sandbox

_SCRATCH = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Point everything that reads a person's own settings at an empty folder, for kernels too."""
    scratch = tempfile.TemporaryDirectory(prefix="kvmkit-tests-", ignore_cleanup_errors=True)
    # Not by pytest_unconfigure, which workers of xdist do not call.
    atexit.register(scratch.cleanup)
    config.stash[_SCRATCH] = scratch
    for name in ("XDG_STATE_HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR"):
        os.environ[name] = str(Path(scratch.name, name.lower()))
    os.environ.update(LC_ALL="C.UTF-8", TZ="UTC")
    # A shell that starts them in the background has all that they start ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out, by name, what needs a network to practise on where the machine allows none."""
    needing = [item for item in items if item.path.name in ("30-bridge.ipynb", "watch.py")]
    if needing:
        try:
            Sandbox().end()
        except Unsupported as error:
            for item in needing:
                item.add_marker(pytest.mark.skip(reason=f"{item.path.name}: {error}"))


@pytest.fixture(autouse=True)
def fresh_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test a state folder of its own, and so a fresh practice host and an empty journal."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    # Its network is the process's, and would be the next one's.
    if practice := sys.modules.get("kvmkit.practice"):
        practice.end_sandbox()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give each runbook a state folder of its own.

    nbval starts a kernel when its notebook is set up, which is after this hook; fixtures don't reach it.
    """
    if item.path.suffix == ".ipynb":
        scratch = Path(item.config.stash[_SCRATCH].name)
        os.environ["XDG_STATE_HOME"] = str(scratch / item.path.stem)
