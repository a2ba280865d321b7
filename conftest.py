"""What all tests share, doctests and runbooks included: state of their own, and nothing of the person's."""

import atexit
import os
import signal
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from kvmkit.errors import Unsupported
from kvmkit.sandbox import Sandbox

# On a busy machine an example may take any time. Those of `make test` are the same in each run.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("test", _PATIENT, max_examples=50, derandomize=True, database=None)
settings.register_profile("matrix", _PATIENT, max_examples=2000)

# It changes functions of the standard library in the process that imports it, which is to be ksvalidator's.
collect_ignore = ["kvmkit/install/answers/hook"]
_SCRATCH = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make matrix` ask for the rows that `make test` leaves out."""
    parser.addoption("--all-rows", action="store_true", help="run every row of the tests marked `multiplied`")


def pytest_configure(config: pytest.Config) -> None:
    """Point everything that reads a person's own settings at an empty folder, for kernels too."""
    settings.load_profile("matrix" if config.getoption("--all-rows") else "test")
    scratch = tempfile.TemporaryDirectory(prefix="kvmkit-tests-", ignore_cleanup_errors=True)
    # Not by pytest_unconfigure, which workers of xdist do not call.
    atexit.register(scratch.cleanup)
    config.stash[_SCRATCH] = scratch
    for name in ("XDG_STATE_HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR"):
        os.environ[name] = str(Path(scratch.name, name.lower()))
    os.environ.update(LC_ALL="C.UTF-8", TZ="UTC")
    # A shell that starts them in the background has all that they start ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out rows of multiplied tests, and what needs a network to practise on where there can be none."""
    if not config.getoption("--all-rows") and not names_tests(config):
        left_out = rows_left_out(items)
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=list(left_out))
    needing = [item for item in items if item.path.name in ("30-bridge.ipynb", "watch.py")]
    if needing:
        try:
            Sandbox().end()
        except Unsupported as error:
            for item in needing:
                item.add_marker(pytest.mark.skip(reason=f"{item.path.name}: {error}"))


def names_tests(config: pytest.Config) -> bool:
    """Whether the command line names tests, not only files: then each that is named is run."""
    return bool(config.getoption("keyword")) or any("::" in argument for argument in config.args)


def rows_left_out(items: Iterable[pytest.Item]) -> set[pytest.Item]:
    """Give the rows that `make test` leaves out: of a test marked `multiplied` all but those that it keeps.

    Which rows a test keeps depends on its name alone: other tests keep other rows, the same in each run.
    """
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("multiplied"):
            tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    left_out: set[pytest.Item] = set()
    for test, rows in tests.items():
        marker = rows[0].get_closest_marker("multiplied")
        keep = min(marker.kwargs.get("keep", 1) if marker else 1, len(rows))
        first = zlib.crc32(test.encode())
        kept = {(first + number * len(rows) // keep) % len(rows) for number in range(keep)}
        left_out.update(row for number, row in enumerate(rows) if number not in kept)
    return left_out


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
