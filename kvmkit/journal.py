"""The journal: what was done to a host, on disk before it is done.

One file per application of a plan, under ``$XDG_STATE_HOME/kvmkit/journal``, a
folder per host.  Each line is one JSON object, flushed to the disk before the
host is touched, so that a killed process leaves a record of where it stood.
Beside them are one file for the lifecycle verbs, one for the runs of runbooks,
and the executed notebooks of these.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from filelock import FileLock, Timeout

from kvmkit.errors import Busy, KvmkitError
from kvmkit.plan import Plan
from kvmkit.state import own_folder, state_folder, using
from kvmkit.tables import Table

__all__ = [
    "Entry",
    "acts",
    "entries",
    "history_frame",
    "lock",
    "note_act",
    "note_run",
    "runs",
    "runs_folder",
    "take_up",
    "taken_up",
]

OPEN = ("applying", "undoing")
"""States of an application that nobody has finished."""

_taken_up: dict[tuple[str, str], Plan] = {}


def _folder(uri: str) -> Path:
    return own_folder(state_folder() / "journal" / quote(uri, safe="")[:200])


def runs_folder(uri: str) -> Path:
    """Make the folder of a host's executed runbooks."""
    return own_folder(_folder(uri) / "runs")


@contextlib.contextmanager
def lock(uri: str, doing: str, *, run: bool = False) -> Iterator[None]:
    """Let one process at a time apply or undo on a host, or (`run`) run a runbook against it.

    Raises
    ------
    Busy
        Naming the process that is at it.  The lock goes with its process, however that ends.
    """
    folder = runs_folder(uri) if run else _folder(uri)
    holder, mine = folder / "holder", FileLock(folder / "lock", timeout=0)
    with contextlib.ExitStack() as held:
        with using(folder):
            try:
                held.enter_context(mine)
            except Timeout:
                # Who has just begun may not have said so yet.
                told = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
                raise Busy(f"{told} on {uri}: wait for it, then try again") from None
            holder.write_text(f"process {os.getpid()} is {doing}", encoding="utf-8")
        yield


class Entry:
    """One application of a plan.

    Attributes
    ----------
    token
        Names this application alone; things made on the host are marked with it.
    plan
        The plan as it is being applied, generated UUIDs and MACs included.
    state
        ``applying``, ``done``, ``undoing`` or ``undone``.
    steps
        Per step: ``""`` (not begun), ``started``, ``done``, ``already`` (was so before),
        ``undoing``, ``undone``.
    why
        Why it did not get to its end, if a person ended it.
    """

    def __init__(self, path: Path, records: list[dict[str, Any]]) -> None:
        self.path = path
        self.state = "applying"
        self.why = ""
        head, *rest = records
        try:
            self.token: str = head["token"]
            self.time: str = head["time"]
            self.operator: str = head["operator"]
            self.plan = Plan.model_validate(head["plan"])
            self.steps = [""] * len(self.plan.steps)
            self.records: list[dict[str, Any]] = []
            for record in rest:
                self._take(record)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise KvmkitError(
                f"{path} is damaged, or a later kvmkit's: what was done cannot be told, nor undone. Look "
                "into it and at the host, then move it out of its folder"
            ) from error

    @classmethod
    def begin(cls, plan: Plan) -> Entry:
        """Record that this plan begins."""
        now = datetime.now(UTC)
        path = _folder(plan.uri) / f"{_next(plan.uri, f'{now:%Y%m%dT%H%M%S.%f}')}-{plan.id}.jsonl"
        head = {
            "token": uuid.uuid4().hex,
            "time": now.isoformat(timespec="microseconds"),
            "operator": _operator(),
            "plan": plan.model_dump(mode="json"),
        }
        _append(path, head)
        return cls(path, [head])

    def write(self, **record: Any) -> None:
        """Record the `state` of the whole, or of one `step`."""
        record |= _now()
        _append(self.path, record)
        self._take(record)

    def _take(self, record: dict[str, Any]) -> None:
        self.records.append(record)
        if "step" not in record:
            self.state = record["state"]
            self.why = record.get("why", self.why)
        else:
            self.steps[record["step"]] = record["state"]


def _next(uri: str, now: str) -> str:
    """Name an entry so that it sorts last, also when the clock has been put back."""
    last = max((path.name.partition("-")[0] for path in _folder(uri).glob("*-*.jsonl")), default="")
    return now if now > last else f"{last}0"


def entries(uri: str, plan_id: str | None = None) -> list[Entry]:
    """List the applications on a host, of one plan or of all, oldest first."""
    # By the file's name, as reading every plan that was ever applied takes longer from year to year.
    named = ((path, path.stem.partition("-")[2]) for path in _folder(uri).glob("*-*.jsonl"))
    paths = sorted(path for path, name in named if plan_id in (None, name))
    return [Entry(path, records) for path in paths if (records := _records(path))]


def note_act(uri: str, what: str) -> None:
    """Record a lifecycle verb, before it is done."""
    _append(_folder(uri) / "acts.jsonl", _now() | {"operator": _operator(), "what": what})


def acts(uri: str) -> list[dict[str, Any]]:
    """List the lifecycle verbs, oldest first: time, operator, what."""
    return [act for act in _records(_folder(uri) / "acts.jsonl") if isinstance(act, dict)]


def note_run(uri: str, run: str, **record: Any) -> None:
    """Record how a runbook's run began, or what became of it since; `run` names it."""
    first = {} if run in runs(uri) else _now() | {"operator": _operator()}
    _append(_folder(uri) / "runs.jsonl", {"run": run} | first | record)


def runs(uri: str) -> dict[str, dict[str, Any]]:
    """Give the last word on each run of a runbook, oldest first."""
    found: dict[str, dict[str, Any]] = {}
    for record in _records(_folder(uri) / "runs.jsonl"):
        if isinstance(record, dict) and isinstance(run := record.get("run"), str):
            found[run] = found.get(run, {}) | record
    return found


def take_up(plan: Plan) -> None:
    """Have this process go on with a plan that another one began."""
    _taken_up[plan.uri, plan.title] = plan


def taken_up(uri: str, title: str) -> Plan | None:
    """Give the plan that this process goes on with, to those who would plan the same again."""
    return _taken_up.get((uri, title))


def history_frame(uri: str) -> pd.DataFrame:
    """All of it as a DataFrame; see :func:`kvmkit.history`."""
    rows = [
        (e.time, e.operator, ", ".join(filter(None, [e.plan.title, e.why])), e.plan.id, e.state)
        for e in entries(uri)
    ]
    rows += [(r["time"], r["operator"], r["what"], "", "asked") for r in acts(uri)]
    for name, run in runs(uri).items():
        what = f"run {run['runbook']}, kept as {runs_folder(uri) / name}.ipynb"
        rows.append((run["time"], run["operator"], what, "", run["state"]))
    frame = Table(sorted(rows), columns=["time", "operator", "what", "plan", "state"], dtype="str")
    return frame.assign(time=pd.to_datetime(frame["time"], utc=True).astype("datetime64[s, UTC]"))


def _now() -> dict[str, str]:
    return {"time": datetime.now(UTC).isoformat(timespec="microseconds")}


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id of a container's own choosing has no account
        return f"uid {os.getuid()}"


def _append(path: Path, record: dict[str, Any]) -> None:
    new = not path.exists()
    with using(path):
        with path.open("a+b") as file:
            # Half a line of a killed process must not swallow this one.
            torn = not new and not path.read_bytes().endswith(b"\n")
            file.write(b"\n" * torn + json.dumps(record).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if new:
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _records(path: Path) -> list[Any]:
    records = []
    with using(path):
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    for line in text.splitlines():
        # A process killed while it wrote leaves half a line at the end: that record was not yet acted on.
        with contextlib.suppress(ValueError, RecursionError):
            records.append(json.loads(line))
    return records
