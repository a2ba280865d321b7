"""Stops the library wherever it changes something: by a libvirt call, by removing files, by a journal record.

A plan passes the same points each time, so that a test can stop it at each in turn.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import libvirt

import kvmkit as kk
from kvmkit import journal
from kvmkit.vm import steps

CHANGES: tuple[tuple[object, str], ...] = (
    (libvirt.virStoragePool, "createXML"),
    (libvirt.virStorageVol, "delete"),
    (libvirt.virStream, "send"),
    (libvirt.virStream, "finish"),
    (libvirt.virConnect, "defineXML"),
    (libvirt.virDomain, "setAutostart"),
    (libvirt.virDomain, "create"),
    (libvirt.virDomain, "setMetadata"),
    (libvirt.virDomain, "destroy"),
    (libvirt.virDomain, "managedSaveRemove"),
    (libvirt.virDomain, "undefineFlags"),
    (libvirt.virDomain, "snapshotCreateXML"),
    (steps, "remove_logs"),
)


class Stopped(RuntimeError):
    """What a step is made to fail with."""


class Points:
    """Do something at one of the points that are passed within this context.

    Parameters
    ----------
    kinds
        Which points count: ``before`` and ``after`` each of `CHANGES`, and after each journal ``record``.
    number
        At which of these points to act, the first being 0.
    act
        What to do there.

    Attributes
    ----------
    passed
        The points so far: ``before CHANGE``, ``after CHANGE`` or ``record``.
    """

    def __init__(self, kinds: Sequence[str], number: int, act: Callable[[], None]) -> None:
        self.passed: list[str] = []
        self._kinds = kinds
        self._number = number
        self._act = act
        self._real: list[tuple[object, str, Any]] = []

    def __enter__(self) -> Self:
        for owner, name in CHANGES:
            self._watch(owner, name, f"before {name}", f"after {name}")
        self._watch(journal, "_append", "", "record")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for owner, name, real in self._real:
            setattr(owner, name, real)

    def _watch(self, owner: object, name: str, before: str, after: str) -> None:
        real = getattr(owner, name)
        self._real.append((owner, name, real))

        def watched(*args: Any, **kwargs: Any) -> Any:
            self._pass(before)
            result = real(*args, **kwargs)
            self._pass(after)
            return result

        setattr(owner, name, watched)

    def _pass(self, point: str) -> None:
        if point.startswith(tuple(self._kinds)):
            self.passed.append(point)
            if len(self.passed) == self._number + 1:
                self._act()


FAILING = ("before", "after")
CREATING = [
    f"{when} {change}" for change in ("createXML", "defineXML", "setAutostart", "create") for when in FAILING
]
"""The points at which creating a VM can be made to fail."""
KILLING = ("after", "record")
"""Not ``before``: the host and the journal are then as after the last record."""


def nothing() -> None:
    pass


def fail() -> None:
    raise Stopped("made to fail here")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# Forked from a process that has imported the library and done nothing else: quick, and as good as a new one.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["kvmkit", __name__])


def run_until_killed(number: int, verb: str, *args: object) -> None:
    """Run a verb of `VERBS` in a process of its own, which is killed at one of the `KILLING` points."""
    folders = {name: value for name, value in os.environ.items() if name.startswith("XDG_")}
    process = _processes.Process(target=_run, args=(number, folders, verb, args))
    process.start()
    process.join(600)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"the process that was to {verb} neither ended nor was killed")
    assert process.exitcode == -signal.SIGKILL, f"the process that was to {verb} passed no point {number}"


def _run(number: int, folders: dict[str, str], verb: str, args: Sequence[object]) -> None:
    os.environ.update(folders)
    with Points(KILLING, number, die):
        VERBS[verb](*args)


VERBS: dict[str, Callable[..., object]] = {
    "apply": lambda plan: kk.apply(kk.Plan.model_validate_json(plan)),
    # The plan itself: its text lacks what is secret.
    "apply with secrets": kk.apply,
    "undo": lambda uri, plan_id: kk.undo(kk.connect(uri), plan_id),
}
