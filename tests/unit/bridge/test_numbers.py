"""Numbers of processes are given again: whoever has one now is neither killed nor taken for a watchdog."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmkit.bridge.script import ENGINE
from kvmkit.bridge.watch import STOP
from kvmkit.commands import script
from tests.lab.waiting import wait_until

SECONDS = 60


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Give a process that leads a group of its own, and has nothing to do with a trial."""
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as process:
        yield process
        process.kill()


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    """Give the folder of a trial of which nothing runs any more."""
    folder = tmp_path / "kvmkit" / "trial"
    folder.mkdir(parents=True)
    (folder / "engine").write_text(script(ENGINE).replace("/run/kvmkit", str(folder.parent)))
    for name in ("apply", "restore", "keep", "unkeep"):
        (folder / name).write_text(":\n")
    (folder / "id").write_text("abc\n")
    (folder / "deadline").write_text("999999999999\n")
    return folder


def engine(trial: Path, *words: str) -> None:
    subprocess.run(["sh", str(trial / "engine"), *words], timeout=SECONDS, check=True, capture_output=True)


def test_the_watchdog_does_not_kill_who_has_the_workers_number_now(
    trial: Path, stranger: subprocess.Popen[bytes]
) -> None:
    (trial / "worker").write_text(f"{stranger.pid}\n")
    (trial / "decision").symlink_to("restore")

    engine(trial, "watchdog")

    assert (trial.parent / "abc/outcome").read_text() == "restored\n"
    assert stranger.poll() is None


def test_the_watchdog_kills_what_the_worker_waits_for(trial: Path) -> None:
    with subprocess.Popen(["sh", "-c", "sleep 300; :"], cwd=trial, start_new_session=True) as worker:
        (trial / "worker").write_text(f"{worker.pid}\n")
        (trial / "decision").symlink_to("restore")
        engine(trial, "watchdog")
        assert worker.wait(SECONDS) == -signal.SIGKILL


def test_who_has_the_watchdogs_number_now_is_none(trial: Path, stranger: subprocess.Popen[bytes]) -> None:
    for name in ("armed", "guard"):
        (trial / name).write_text(f"{stranger.pid}\n")

    engine(trial, "decide", "abc", "keep")

    outcome = trial.parent / "abc/outcome"
    wait_until(outcome.exists, "the folder has its last name")
    assert outcome.read_text() == "kept\n"


def test_the_end_of_a_watch_does_not_meet_who_has_its_number_now(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    (tmp_path / "pid").write_text(f"{stranger.pid}\n")
    (tmp_path / "pings").write_text("told\n")
    done = subprocess.run(
        ["sh", "-c", STOP, "sh", str(tmp_path)], timeout=SECONDS, capture_output=True, text=True, check=True
    )

    assert done.stdout == "told\n"
    assert stranger.poll() is None
