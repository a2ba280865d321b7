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
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

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

LONGEST = 200
"""Bytes of a folder's name."""
DAMAGED = (KeyError, IndexError, TypeError, ValueError, AttributeError)
"""What reading a record raises that is not as it was written."""
STATES = ("applying", "done", "undoing", "undone")
STEP_STATES = ("started", "done", "already", "undoing", "undone")

_taken_up: dict[tuple[str, str], Plan] = {}


def _folder(uri: str) -> Path:
    """Make the folder of a host; the same for each way to write its name."""
    name = quote(one_spelling(uri), safe="")
    if len(name) > LONGEST:
        name = f"{name[: LONGEST - 40]}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return own_folder(_journals() / name)


def _folders(uri: str) -> list[Path]:
    """Give the folders that have something of a host: also those that an earlier kvmkit named otherwise."""
    mine = _folder(uri)
    others = (folder for folder in _journals().iterdir() if folder != mine and folder.is_dir())
    return [
        mine,
        *(
            own_folder(folder)
            for folder in sorted(others)
            # Of a long URI the name was cut, so that others' may be in it.
            if folder.name == quote(uri, safe="")[:LONGEST]
            or (len(folder.name) < LONGEST and one_spelling(unquote(folder.name)) == one_spelling(uri))
        ),
    ]


def _journals() -> Path:
    return own_folder(state_folder() / "journal")


def one_spelling(uri: str) -> str:
    """Write a URI in one way: names of machines have no upper case, and 22 is the port of SSH anyway.

    >>> one_spelling("qemu+ssh://root@KVM1:22/system")
    'qemu+ssh://root@kvm1/system'
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri
    if not parts.netloc:
        return uri
    user, at, machine = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=user + at + machine.lower().removesuffix(":22")))


def _lock_folder(uri: str) -> Path:
    """Make the folder of the lock of one machine, whoever logs in there and however."""
    parts = urlsplit(one_spelling(uri))
    if not parts.netloc:
        return _folder(uri)
    machine = parts.netloc.rpartition("@")[2] if parts.path == "/system" else parts.netloc
    return own_folder(_folder(urlunsplit(parts._replace(netloc=machine, query=""))))


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
    folder = own_folder(_lock_folder(uri) / "runs") if run else _lock_folder(uri)
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
            self.time: str = _time(head)
            self.operator: str = _text(head, "operator")
            self.plan = Plan.model_validate(head["plan"])
            if path.stem.partition("-")[2] != self.plan.id:
                raise ValueError("its plan is not the one that its name says")
            self.steps = [""] * len(self.plan.steps)
            self.records: list[dict[str, Any]] = []
            for record in rest:
                self._take(record)
        except DAMAGED as error:
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
        _time(record)
        self.records.append(record)
        if "step" not in record:
            self.state = STATES[STATES.index(record["state"])]
            self.why = _text({"why": self.why} | record, "why")
        else:
            step = range(len(self.steps)).index(record["step"])
            self.steps[step] = STEP_STATES[STEP_STATES.index(record["state"])]


def _next(uri: str, now: str) -> str:
    """Name an entry so that it sorts last, also when the clock has been put back."""
    last = max((path.name.partition("-")[0] for path in _folder(uri).glob("*-*.jsonl")), default="")
    return now if now > last else f"{last}0"


def entries(uri: str, plan_id: str | None = None) -> list[Entry]:
    """List the applications on a host, of one plan or of all, oldest first."""
    # By the file's name, as reading every plan that was ever applied takes longer from year to year.
    files = [path for folder in _folders(uri) for path in folder.glob("*-*.jsonl")]
    paths = [path for path in files if plan_id in (None, path.stem.partition("-")[2])]
    paths.sort(key=lambda path: path.name)
    found = [Entry(path, records) for path in paths if (records := _records(path))]
    return [entry for entry in found if _is_of(entry, uri)]


def _is_of(entry: Entry, uri: str) -> bool:
    if one_spelling(entry.plan.uri) == one_spelling(uri):
        return True
    if len(entry.path.parent.name) == LONGEST:  # a name that was cut, which hosts shared
        return False
    raise KvmkitError(
        f"{entry.path} is of another host, {entry.plan.uri}, so it is not believed: move it out of its folder"
    )


def note_act(uri: str, what: str) -> None:
    """Record a lifecycle verb, before it is done."""
    _append(_folder(uri) / "acts.jsonl", _now() | {"operator": _operator(), "what": what})


def acts(uri: str) -> list[dict[str, Any]]:
    """List the lifecycle verbs, oldest first: time, operator, what."""
    paths = [folder / "acts.jsonl" for folder in _known(uri)]
    found = [record for path in paths for record in _whole(path, "time", "operator", "what")]
    return sorted(found, key=itemgetter("time"))


def note_run(uri: str, run: str, **record: Any) -> None:
    """Record how a runbook's run began, or what became of it since; `run` names it."""
    first = {} if run in runs(uri) else _now() | {"operator": _operator()}
    _append(_folder(uri) / "runs.jsonl", {"run": run} | first | record)


def runs(uri: str) -> dict[str, dict[str, Any]]:
    """Give the last word on each run of a runbook, oldest first."""
    found: dict[str, dict[str, Any]] = {}
    for path in (folder / "runs.jsonl" for folder in reversed(_known(uri))):
        for record in _whole(path, "run"):
            known = found.get(record["run"], {}) | record
            _held(path, known, "time", "operator", "runbook", "state")
            if not isinstance(known.get("parameters"), dict) or not isinstance(known.get("plans"), list):
                raise _damaged(path)
            found[record["run"]] = known
    return found


def _known(uri: str) -> list[Path]:
    """Give the folders of which all is of this host: not those whose names were cut."""
    return [folder for folder in _folders(uri) if len(folder.name) < LONGEST]


def _whole(path: Path, *names: str) -> Iterator[dict[str, Any]]:
    """Read records, each of which has these texts."""
    for record in _records(path):
        _held(path, record, *names)
        yield record


def _held(path: Path, record: Any, *names: str) -> None:
    try:
        for name in names:
            _time(record) if name == "time" else _text(record, name)
    except DAMAGED as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> KvmkitError:
    return KvmkitError(
        f"{path} is damaged, or a later kvmkit's: a line in it is no record of what was done. Look into it, "
        "and take that line out"
    )


def _text(record: dict[str, Any], name: str) -> str:
    if not isinstance(text := record[name], str):
        raise TypeError(f"{name} is no text")
    return text


def _time(record: dict[str, Any]) -> str:
    text = _text(record, "time")
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time has a zone")
    return text


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


def _records(path: Path) -> list[dict[str, Any]]:
    records = []
    with using(path):
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    for line in text.splitlines():
        # A process killed while it wrote leaves half a line at the end: that record was not yet acted on.
        with contextlib.suppress(ValueError, RecursionError):
            records.append(json.loads(line))
    return records
