"""What is kept of a run: the executed notebook, and in its metadata what the journal says was done."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kvmkit import journal
from kvmkit.journal import Entry
from kvmkit.safe import one_line
from kvmkit.state import write_whole

__all__ = ["Run", "entries", "keep_record", "said", "way_on", "where"]


@dataclass(frozen=True)
class Run:
    """A run of a runbook that came to its end.

    Attributes
    ----------
    name, uri
        The runbook and the host.
    plans
        Ids of the plans that it applied, or found applied by the run that it goes on with.
    notebook
        The executed notebook. In its metadata, under ``kvmkit``, are runbook, host, operator, time,
        parameters, state, plans, and what the journal says was done to the host meanwhile.
    """

    name: str
    uri: str
    plans: tuple[str, ...]
    notebook: Path

    def __repr__(self) -> str:
        plans = f", plans {', '.join(self.plans)}" if self.plans else ""
        return one_line(f"{self.name} on {self.uri}: done{plans}; kept as {self.notebook}")


def entries(uri: str, plans: list[str], since: datetime | None = None) -> list[Entry]:
    """Give the last application of these plans, and of any that was begun or went on `since` then."""
    last = {entry.plan.id: entry for entry in journal.entries(uri)}
    return [
        entry
        for entry in last.values()
        if entry.plan.id in plans or (since and entry.path.stat().st_mtime >= since.timestamp())
    ]


def keep_record(kept: Path, uri: str, run: str, touched: list[Entry]) -> None:
    """Write into the notebook's metadata what was run, by whom, and what the journal says of it."""
    if not kept.exists():  # it stopped before papermill wrote anything
        return
    book = json.loads(kept.read_text(encoding="utf-8"))
    record = journal.runs(uri)[run]
    applied = [
        {"plan": entry.plan.id, "title": entry.plan.title, "state": entry.state, "begun": entry.time}
        | {"steps": {step.title: state for step, state in zip(entry.plan.steps, entry.steps, strict=True)}}
        for entry in touched
    ]
    acts = [act for act in journal.acts(uri) if act["time"] >= record["time"]]
    ended = datetime.now(UTC).isoformat(timespec="seconds")
    book["metadata"]["kvmkit"] = {"host": uri, **record, "ended": ended, "journal": applied, "verbs": acts}
    write_whole(kept, json.dumps(book, indent=1, ensure_ascii=False).encode() + b"\n")


def where(kept: Path) -> str:
    """Name the cell that a run stopped in: the last that was begun."""
    cells = json.loads(kept.read_text(encoding="utf-8"))["cells"] if kept.exists() else []
    begun = [
        c for c in cells if c["cell_type"] == "code" and c["metadata"].get("papermill", {}).get("start_time")
    ]
    if not begun:
        return "before its first cell"
    number = f" (In [{begun[-1]['execution_count']}])" if begun[-1]["execution_count"] else ""
    return f"at cell {begun[-1]['id']!r}{number}"


def said(failure: Exception) -> str:
    """Give the first line of what a cell raised, or of what happened to its kernel."""
    kind = getattr(failure, "ename", type(failure).__name__)
    text = str(getattr(failure, "evalue", failure)).strip().splitlines() or [""]
    return f"{kind}: {text[0][:1000].rstrip('.')}."


def way_on(touched: list[Entry]) -> str:
    """Say how to go on after a failure."""
    half = [entry.plan for entry in touched if entry.state in journal.OPEN]
    whole = [entry.plan for entry in touched if entry.state == "done"]
    if half:
        plans = ", ".join(f"{plan.id} ({plan.title})" for plan in half)
        return (
            f"Half applied: {plans}. The same run again, confirmed by that id, goes on with it; "
            f"kk.undo(host, {half[-1].id!r}) takes it back."
        )
    if whole:
        plans = ", ".join(f"{plan.id} ({plan.title})" for plan in whole)
        return f"Applied, and standing: {plans}. The same run again goes on from there."
    return "Nothing is left half done: run it again when that is mended."
