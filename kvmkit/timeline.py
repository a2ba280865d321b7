"""timeline: how long each step of a plan took, from the journal; in a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kvmkit import journal
from kvmkit.drawing import PLAIN, Picture, Shapes, bar, drawn, fitting, line, text
from kvmkit.errors import NotFound
from kvmkit.host import Host
from kvmkit.journal import Entry
from kvmkit.report import Report

__all__ = ["timeline"]

VERBS = {"applying": "apply", "undoing": "undo"}
CHARACTERS, LETTERS = 30, 60
"""Of a bar that is as long as all of it, and of a step's title; in a terminal."""
LEFT, WIDTH, ROW = 10, 700, 44
"""Pixels: of the margin, of a bar that is as long as all of it, from one step to the next."""


@dataclass(frozen=True)
class _Bar:
    """A step that was made or taken back: when, in seconds from the beginning of its phase."""

    step: int
    start: float
    seconds: float
    said: str = ""
    """What became of it, where it was not simply done."""

    @property
    def told(self) -> str:
        return self.said if self.said == "already so" else f"{_time(self.seconds)} {self.said}".rstrip()


@dataclass(frozen=True)
class _Phase:
    """An application, its continuation, or an undo."""

    verb: str
    began: datetime
    seconds: float
    bars: tuple[_Bar, ...]

    @property
    def told(self) -> str:
        return f"{self.verb}, {self.began:%Y-%m-%d %H:%M:%S} UTC, {_time(self.seconds)}"


def timeline(what: Report | Host, plan_id: str = "") -> Picture:
    """Draw how long each step of a plan took, when it was applied and when it was undone.

    A gap between two steps is nobody's work: the host was looked at, or a person asked. Times are those of
    the journal, so it can be drawn after a restart of the kernel, too, also of a plan that was left half
    applied.

    Parameters
    ----------
    what
        The report of :func:`apply` or :func:`undo`; or the host, with the id of the plan.
    plan_id
        Which plan, where `what` is a host; its last application.

    Returns
    -------
    Picture
        Shows itself, in a terminal as text; times are in seconds. Bars of an undo are hollow.

    Raises
    ------
    NotFound
        The journal has no such plan for that host.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> report = kk.apply(kk.plan_vm(host, kk.VMSpec(name="web1")))
    >>> kk.timeline(report)
    create VM web1 on test:///default
    apply, ... UTC, ... s
      1. create volume web1.qcow2 in pool default: 10 GiB, qcow2    ... s  |...
    """
    plan_id = plan_id or (what.plan_id if isinstance(what, Report) else "")
    found = journal.entries(what.uri, plan_id)
    if not found:
        raise NotFound(f"the journal has no plan {plan_id!r} on {what.uri}; see kk.history(host)")
    entry = found[-1]
    phases = list(_phases(entry))
    longest = max((phase.seconds for phase in phases), default=0) or 1
    titles = [f"{number}. {step.title}" for number, step in enumerate(entry.plan.steps, 1)]
    head = f"{entry.plan.title} on {entry.plan.uri}"
    return Picture(_svg(head, titles, phases, longest), _text(head, titles, phases, longest))


def _phases(entry: Entry) -> Iterator[_Phase]:
    """Cut what was written where the whole was begun, continued or undone."""
    begins = [
        number
        for number, record in enumerate(entry.records)
        if "step" not in record and record["state"] in VERBS and "failed" not in record
    ]
    for first, end in zip(begins, [*begins, len(entry.records)][1:], strict=True):
        records = entry.records[first:end]
        began, last = _at(records[0]), _at(records[-1])
        bars = tuple(_bars(records, began))
        yield _Phase(VERBS[records[0]["state"]], began, (last - began).total_seconds(), bars)


def _bars(records: list[dict[str, Any]], began: datetime) -> Iterator[_Bar]:
    begun: dict[int, float] = {}
    for record in records:
        now, step, state = (_at(record) - began).total_seconds(), record.get("step"), record["state"]
        if record.get("failed"):
            yield from (_Bar(n, start, now - start, "failed") for n, start in begun.items())
            begun.clear()
        elif step is None:
            continue
        elif state in ("started", "undoing"):
            begun[step] = now
        elif state == "already":
            yield _Bar(step, now, 0, "already so")
        elif step in begun:
            start = begun.pop(step)
            yield _Bar(step, start, now - start)
    # The process was killed, or what was to be undone could not be.
    yield from (_Bar(step, start, 0, "not finished") for step, start in begun.items())


def _at(record: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(record["time"])


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def _text(head: str, titles: list[str], phases: list[_Phase], longest: float) -> str:
    rows = [head]
    for phase in phases:
        rows.append(phase.told)
        for found in phase.bars:
            title = titles[found.step]
            title = title if len(title) <= LETTERS else f"{title[: LETTERS - 1]}…"
            left = int(CHARACTERS * found.start / longest)
            mark = "#" if phase.verb == "apply" else "="
            drawing = " " * left + mark * max(1, round(CHARACTERS * found.seconds / longest))
            rows.append(f"  {title:{LETTERS}}  {found.told:>7}  |{drawing}")
    return "\n".join(rows)


def _svg(head: str, titles: list[str], phases: list[_Phase], longest: float) -> str:
    shapes: Shapes = [text(LEFT, 20, fitting(head, WIDTH), bold=True)]
    top = 30
    for phase in phases:
        shapes.append(text(LEFT, top + 18, phase.told))
        top += 26
        for found in phase.bars:
            told, hollow = found.told, phase.verb == "undo"
            shapes += [
                text(LEFT, top + 16, fitting(titles[found.step], WIDTH - 140)),
                text(LEFT + WIDTH, top + 16, told, anchor="end"),
                line(LEFT, top + 29, LEFT + WIDTH, top + 29, PLAIN, dashed=True),
            ]
            start, length = (int(WIDTH * part / longest) for part in (found.start, found.seconds))
            shapes.append(bar(LEFT + start, top + 23, min(length, WIDTH - start), 12, hollow=hollow))
            top += ROW
    return drawn(WIDTH + 2 * LEFT, top + 6, shapes)
