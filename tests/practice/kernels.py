"""Processes of their own, each as if a kernel had just been started, at the cost of a fork.

They are forked from a server that has imported kvmkit and has not used it: no connection, no host, no
thread is shared with the test.
"""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import kvmkit as kk
from kvmkit import journal

URI = "test:///default"
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, "pytest"])  # pytest: the main module, which every child imports


def start(target: Callable[..., object], *args: Any) -> multiprocessing.process.BaseProcess:
    """Start a kernel that calls a function of this file, with the state folder of the test."""
    process = _FORKS.Process(target=_child, args=(os.environ["XDG_STATE_HOME"], target, args))
    process.start()
    return process


def run(target: Callable[..., object], *args: Any) -> int | None:
    """Run a kernel to its end; minus the signal that ended it, if one did."""
    process = start(target, *args)
    process.join(120)
    return process.exitcode


def wait_for(path: Path) -> None:
    """Wait until another process has made a file."""
    deadline = time.monotonic() + 120
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody made {path}")
        time.sleep(0.02)


def _child(state: str, target: Callable[..., object], args: tuple[Any, ...]) -> None:
    os.environ["XDG_STATE_HOME"] = state  # the server's environment is that of its start
    target(*args)


def end() -> None:
    """Be killed, as by `kill -9` or a power cut: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(verb: str, plan: str, moment: str, number: int) -> None:
    """Apply or undo a plan, and be killed while or just after one record of the journal is written.

    While it is written, the host is as before it; half of the record is on the disk then.
    """
    whole, records = journal._append, count(1)

    def append(path: Path, record: dict[str, Any]) -> None:
        now = moment if next(records) == number else ""
        if now == "during":
            torn = json.dumps(record)[:-1]
            path.open("a").write(torn[: len(torn) // 2])
            end()
        whole(path, record)
        if now == "after":
            end()

    journal._append = append
    given = kk.Plan.model_validate_json(plan)
    if verb == "apply":
        kk.apply(given)
    else:
        kk.undo(kk.connect(URI), given.id)


def wait_while_applying(plan: str, at_it: Path, go_on: Path) -> None:
    """Apply a plan, and stop in the middle until told to go on."""
    whole = journal._append

    def append(path: Path, record: dict[str, Any]) -> None:
        whole(path, record)
        if record.get("state") == "started" and not at_it.exists():
            at_it.touch()
            wait_for(go_on)

    journal._append = append
    kk.apply(kk.Plan.model_validate_json(plan))


def killed_while_saving(moment: str) -> None:
    """Change the practice host, and be killed around the moment in which the change is kept."""
    host = kk.connect(URI)
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if moment == "after":
            replace(self, target)
        end()
        return self

    with host.changing("change something") as connection:
        connection.lookupByName("demo").destroy()
        if moment == "in the middle":
            end()
        mock.patch.object(Path, "replace", killed).start()
