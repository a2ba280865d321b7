"""The picture of how long steps took, from journals with times written down here."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lxml import etree

import kvmkit as kk
from kvmkit.drawing import Picture
from kvmkit.journal import Entry, entries
from tests.unit.test_drawing import nothing_is_outside
from tests.unit.world import URI, World, host, plan, step

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def drawn(*records: tuple[float, Any], steps: tuple[kk.Step, ...] = ()) -> Picture:
    """Draw an application of which the journal says this: seconds since noon, and the record."""
    entry = Entry.begin(plan(*steps))
    with entry.path.open("a") as file:
        for seconds, record in records:
            at = (NOON + timedelta(seconds=seconds)).isoformat()
            file.write(json.dumps(record | {"time": at}) + "\n")
    return kk.timeline(host(), entry.plan.id)


def rows(picture: Picture) -> list[str]:
    """Give the lines, with one blank for many."""
    return [re.sub(" +", " ", row) for row in str(picture).splitlines()]


APPLYING, UNDOING = {"state": "applying"}, {"state": "undoing"}


def on(number: int, state: str) -> dict[str, Any]:
    return {"step": number, "state": state}


def test_steps_have_their_times_and_a_gap_is_nobodys() -> None:
    picture = drawn(
        (0, APPLYING),
        (0, on(0, "started")),
        (10, on(0, "done")),
        (10, on(1, "already")),
        (20, on(2, "started")),
        (29.5, on(2, "done")),
        (30, {"state": "done"}),
    )

    assert str(picture).splitlines() == [
        "make things on test:///default",
        "apply, 2026-11-20 12:00:00 UTC, 30 s",
        f"  {'1. make a':60}     10 s  |##########",
        f"  {'2. make b':60}  already so  |          #",
        f"  {'3. make c':60}   9.50 s  |                    ##########",
    ]


def test_a_failure_and_its_undo_are_shown_on_the_same_scale() -> None:
    picture = drawn(
        (0, APPLYING),
        (0, on(0, "started")),
        (1, on(0, "done")),
        (1, on(1, "started")),
        (3, {"state": "applying", "failed": True}),
        (3, UNDOING),
        (3, on(0, "undoing")),
        (4.5, on(0, "undone")),
        (4.5, on(1, "undone")),
        (4.5, {"state": "undone"}),
    )

    assert rows(picture)[1:] == [
        "apply, 2026-11-20 12:00:00 UTC, 3.00 s",
        " 1. make a 1.00 s |##########",
        " 2. make b 2.00 s failed | ####################",
        "undo, 2026-11-20 12:00:03 UTC, 1.50 s",
        " 1. make a 1.50 s |===============",
    ]


def test_what_a_killed_process_left_is_not_finished_and_the_day_between_is_no_part_of_it() -> None:
    day = 86400
    picture = drawn(
        (0, APPLYING),
        (0, on(0, "started")),
        (1, on(0, "done")),
        (1, on(1, "started")),
        (day, APPLYING),
        (day, on(1, "started")),
        (day + 2, on(1, "done")),
        (day + 2, {"state": "done"}),
    )

    assert rows(picture)[1:] == [
        "apply, 2026-11-20 12:00:00 UTC, 1.00 s",
        " 1. make a 1.00 s |###############",
        " 2. make b 0.00 s not finished | #",
        "apply, 2026-11-21 12:00:00 UTC, 2.00 s",
        " 2. make b 2.00 s |##############################",
    ]


def test_bars_of_an_undo_are_hollow_and_nothing_is_outside_of_the_picture() -> None:
    long = step("x" * 200)
    picture = drawn(
        *((0, APPLYING), (0, on(0, "started")), (5, on(0, "done")), (5, {"state": "done"})),
        *((9, UNDOING), (9, on(0, "undoing")), (14, on(0, "undone")), (14, {"state": "undone"})),
        steps=(long,),
    )
    bars = etree.fromstring(picture.svg).findall(".//{*}rect")

    nothing_is_outside(picture.svg)
    assert [bar.get("fill") for bar in bars] == ["currentColor", "none"]
    assert {bar.get("width") for bar in bars} == {"700"}


def test_an_apply_and_an_undo_are_drawn_from_their_reports_and_by_id(world: World) -> None:
    report = kk.apply(plan())
    undone = kk.undo(report)
    again = kk.apply(plan())

    assert [row.split()[1:3] for row in str(kk.timeline(again)).splitlines()[2:]] == [
        ["make", name] for name in "abc"
    ]
    assert entries(URI)[0].records[-1]["state"] == "undone"
    assert str(kk.timeline(undone)) == str(kk.timeline(host(), report.plan_id)) == str(kk.timeline(again))


def test_a_step_that_fails_is_said_to_have_failed(world: World) -> None:
    world.fails["before make b"] = RuntimeError("boom")
    with pytest.raises(kk.ApplyFailed):
        kk.apply(plan())
    told = rows(kk.timeline(host(), plan().id))

    assert [" ".join(row.split()[1:3]) for row in told if row[0] == " "] == ["make a", "make b", "make a"]
    assert "failed" in told[3]


@pytest.mark.parametrize("plan_id", ["", "p012345678"])
def test_what_was_never_applied_has_no_timeline(plan_id: str) -> None:
    with pytest.raises(kk.NotFound, match="has no plan"):
        kk.timeline(host(), plan_id)
