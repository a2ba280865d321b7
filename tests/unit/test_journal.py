"""The journal: on disk before the host is touched, readable whatever a killed process left."""

import getpass
import json
import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self
from urllib.parse import quote

import pandas as pd
import pytest

from kvmkit import journal
from kvmkit.errors import Busy, KvmkitError
from kvmkit.journal import Entry, entries, history_frame, lock, note_act
from kvmkit.plan import Plan, Step

URI = "qemu+ssh://root@kvm1:22/system?keyfile=/keys/a b"
DTYPES = ["datetime64[s, UTC]", "str", "str", "str", "str"]


def plan(name: str = "a") -> Plan:
    steps = [Step(action="x", title=f"make {name} {n}", args={"name": f"{name}{n}"}) for n in range(2)]
    return Plan(uri=URI, title=f"make {name}", steps=tuple(steps), generated=("made-up",))


def test_an_entry_is_read_back_as_it_was_written() -> None:
    entry = Entry.begin(plan())
    entry.write(state="applying")
    entry.write(step=0, state="started")
    entry.write(step=0, state="done")
    entry.write(step=1, state="started")
    (read,) = entries(URI)

    assert (read.plan, read.token, read.time) == (plan(), entry.token, entry.time)
    assert (read.state, read.steps) == (entry.state, entry.steps) == ("applying", ["done", "started"])


def test_each_application_has_a_token_of_its_own() -> None:
    assert Entry.begin(plan()).token != Entry.begin(plan()).token


def test_entries_come_oldest_first() -> None:
    names = ["c", "a", "b"]
    for name in names:
        Entry.begin(plan(name))

    assert [entry.plan.title for entry in entries(URI)] == [f"make {name}" for name in names]


def test_the_applications_of_one_plan_are_found_by_its_whole_id() -> None:
    first, _other, again = (Entry.begin(plan(name)) for name in ("a", "b", "a"))

    assert [entry.path for entry in entries(URI, first.plan.id)] == [first.path, again.path]
    assert entries(URI, "") == entries(URI, "*") == entries(URI, first.plan.id[1:]) == []


def test_a_record_is_on_disk_before_write_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry.begin(plan())
    synced: list[bytes] = []

    def look(descriptor: int) -> None:
        synced.append(os.pread(descriptor, 10**6, 0))

    monkeypatch.setattr(os, "fsync", look)
    entry.write(step=0, state="started")

    assert json.loads(synced[-1].splitlines()[-1])["state"] == "started"


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_torn_last_line_counts_as_not_written(cut: int) -> None:
    entry = Entry.begin(plan())
    entry.write(step=0, state="started")
    whole = entry.path.read_bytes()
    entry.write(step=0, state="done")
    record = entry.path.read_bytes()[len(whole) :]
    entry.path.write_bytes(whole + record[:cut])

    assert entries(URI)[0].steps == ["started", ""]


def test_what_is_written_after_a_torn_line_is_read() -> None:
    entry = Entry.begin(plan())
    with entry.path.open("ab") as file:
        file.write(b'{"step": 0, "state": "sta')
    entries(URI)[0].write(step=0, state="started")

    assert entries(URI)[0].steps == ["started", ""]


@pytest.mark.parametrize("kept", [b"", b"{", b'{"token": "a", "plan'])
def test_an_application_of_which_only_a_part_of_the_first_line_is_left_never_began(kept: bytes) -> None:
    whole = Entry.begin(plan("a"))
    torn = Entry.begin(plan("b"))
    torn.path.write_bytes(kept)

    assert [entry.path for entry in entries(URI)] == [whole.path]


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: lines[1:],
        lambda lines: [b"[]", *lines[1:]],
        lambda lines: [lines[0].replace(b'"token"', b'"TOKEN"'), *lines[1:]],
        lambda lines: [lines[0].replace(b'"steps"', b'"leaps"'), *lines[1:]],
        lambda lines: [*lines, b"7"],
        lambda lines: [*lines, b'{"step": 9, "state": "done"}'],
        lambda lines: [*lines, b'{"step": 0}'],
    ],
    ids=["headless", "no object", "no token", "no steps", "a number", "no such step", "no state"],
)
def test_an_entry_that_is_damaged_is_named(damage: Callable[[list[bytes]], list[bytes]]) -> None:
    entry = Entry.begin(plan())
    entry.write(step=0, state="started")
    entry.path.write_bytes(b"\n".join(damage(entry.path.read_bytes().splitlines())) + b"\n")

    with pytest.raises(KvmkitError, match=f"^{re.escape(str(entry.path))} is damaged, .* move it out"):
        history_frame(URI)


def test_bytes_that_are_no_text_are_a_torn_line() -> None:
    entry = Entry.begin(plan())
    with entry.path.open("ab") as file:
        file.write(b'{"step": 0, "st\xff\xfe\x00')

    assert entries(URI)[0].steps == ["", ""]


def test_a_clock_that_is_put_back_changes_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    class Behind(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) - timedelta(hours=1)

    Entry.begin(plan("a"))
    with monkeypatch.context() as patched:
        patched.setattr(journal, "datetime", Behind)
        for name in ("b", "c"):
            Entry.begin(plan(name))
    Entry.begin(plan("d"))

    assert [entry.plan.title for entry in entries(URI)] == ["make a", "make b", "make c", "make d"]


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Entry.begin(plan()).path.with_name("acts.jsonl").mkdir()
    for use in (lambda: note_act(URI, "start VM a"), lambda: history_frame(URI)):
        with pytest.raises(
            KvmkitError, match=r"^cannot use /.*acts\.jsonl, .*: Is a directory\. Nothing is changed"
        ):
            use()

    (tmp_path / "file").touch()
    with monkeypatch.context() as patched:
        patched.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        for use in (lambda: note_act(URI, "start VM a"), lambda: history_frame(URI)):
            with pytest.raises(KvmkitError, match=r"^cannot use /.*/kvmkit, .*: Not a directory\."):
                use()


def test_a_lock_that_cannot_be_had_is_no_other_process(tmp_path: Path) -> None:
    with lock(URI, "applying"):
        [holder] = (tmp_path / "state").rglob("holder")
    holder.unlink()
    holder.mkdir()
    with pytest.raises(KvmkitError, match=r": Is a directory\."), lock(URI, "applying"):
        pytest.fail("it had the lock")


def test_the_journal_is_for_its_owner_alone() -> None:
    assert Entry.begin(plan()).path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "uri", ["test:///default", "../../../etc", "qemu+ssh://h/system?a=/../..", "x" * 5000]
)
def test_any_uri_makes_one_folder_below_the_state_folder(uri: str, tmp_path: Path) -> None:
    note_act(uri, "start VM a")
    (written,) = (tmp_path / "state").rglob("acts.jsonl")

    assert written.parent.parent == tmp_path / "state" / "kvmkit" / "journal"


def test_history_lists_plans_and_verbs_oldest_first() -> None:
    note_act(URI, "start VM b")
    Entry.begin(plan()).write(state="done")
    note_act(URI, "start VM a")

    assert history_frame(URI)[["what", "plan", "state"]].values.tolist() == [
        ["start VM b", "", "asked"],
        ["make a", plan().id, "done"],
        ["start VM a", "", "asked"],
    ]


def test_history_has_the_same_columns_and_types_with_and_without_rows() -> None:
    empty = history_frame(URI)
    note_act(URI, "start VM a")
    full = history_frame(URI)

    assert list(empty.columns) == list(full.columns) == ["time", "operator", "what", "plan", "state"]
    assert list(map(str, empty.dtypes)) == list(map(str, full.dtypes)) == DTYPES
    assert isinstance(empty.index, pd.RangeIndex)
    assert isinstance(full.index, pd.RangeIndex)
    assert len(empty) == 0


def test_a_user_without_an_account_has_a_journal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    # As in a container that runs with a uid of its own choosing.
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 1000740000")

    monkeypatch.setattr(getpass, "getuser", unknown)
    note_act(URI, "start VM a")

    assert history_frame(URI)["operator"].tolist() == [f"uid {os.getuid()}"]


def test_one_at_a_time_and_the_other_is_told_who_it_is() -> None:
    with lock(URI, "applying plan 0123456789 (create VM a)"):
        with (
            pytest.raises(Busy, match=rf"process {os.getpid()} is applying plan 0123456789 .*wait for it"),
            lock(URI, "undoing"),
        ):
            pytest.fail("two had the lock")
        with lock("qemu:///session", "something on another host"):
            pass


def test_the_lock_is_given_back_whatever_happened() -> None:
    with pytest.raises(RuntimeError, match="boom"), lock(URI, "one"):
        raise RuntimeError("boom")
    with lock(URI, "two"):
        pass


@pytest.mark.parametrize(
    "line",
    [
        *(b"[]", b"1", b'"x"', b"null", b"{}", b'{"time": 1}', b'{"run": []}'),
        b'{"time": "yesterday", "operator": "ann", "what": "x", "run": "r", "runbook": "a", "state": "done"}',
        b'{"time": "2026-01-01T00:00:00+00:00", "operator": [], "what": {}, "run": "r"}',
        b'{"time": "2026-01-01T00:00:00", "operator": "a", "what": "no zone", "run": "r"}',
    ],
)
@pytest.mark.parametrize("name", ["acts.jsonl", "runs.jsonl"])
def test_a_damaged_line_of_verbs_and_runs_is_named(name: str, line: bytes) -> None:
    note_act(URI, "start VM a")
    file = Entry.begin(plan()).path.with_name(name)
    with file.open("ab") as kept:
        kept.write(line + b"\n")

    with pytest.raises(KvmkitError, match=rf"/{name} is damaged, .* take that line out"):
        history_frame(URI)


@pytest.mark.parametrize("depth", [10_000, 1_000_000])
def test_a_line_of_brackets_is_a_torn_one(depth: int) -> None:
    note_act(URI, "start VM a")
    with Entry.begin(plan()).path.with_name("acts.jsonl").open("ab") as kept:
        kept.write(b"[" * depth + b"\n")

    assert len(journal.acts(URI)) == 1


@pytest.mark.parametrize(
    "record",
    [
        *({"step": -1, "state": "done"}, {"step": 2, "state": "done"}, {"step": 0, "state": "made"}),
        *({"state": "gone"}, {"state": "done", "why": 1}, {"step": "0", "state": "done"}),
    ],
)
def test_a_record_that_nobody_writes_is_not_believed(record: dict[str, object]) -> None:
    entry = Entry.begin(plan())
    with entry.path.open("a") as file:
        file.write(json.dumps({"time": "2026-01-01T00:00:00+00:00"} | record) + "\n")

    with pytest.raises(KvmkitError, match="is damaged"):
        entries(URI)


def test_a_plan_that_is_not_the_one_of_its_name_is_not_believed() -> None:
    entry = Entry.begin(plan())
    entry.path.write_text(entry.path.read_text().replace('"a0"', '"../../etc"'))

    with pytest.raises(KvmkitError, match=rf"{entry.path.name} is damaged"):
        entries(URI, entry.plan.id)


def test_an_entry_of_another_host_is_not_believed() -> None:
    entry = Entry.begin(plan())
    other = "qemu+ssh://root@kvm2/system"
    note_act(other, "start VM a")
    [folder] = [path.parent for path in entry.path.parent.parent.glob("*/acts.jsonl")]
    entry.path.rename(folder / entry.path.name)

    with pytest.raises(KvmkitError, match=r"is of another host, qemu\+ssh://root@kvm1"):
        entries(other)


def test_uris_that_differ_late_have_journals_of_their_own() -> None:
    first, second = (f"{URI}&command={'x' * 300}{end}" for end in "ab")
    Entry.begin(plan().model_copy(update={"uri": first}))
    note_act(first, "start VM a")

    assert len(entries(first)) == len(journal.acts(first)) == 1
    assert (entries(second), journal.acts(second)) == ([], [])


@pytest.mark.parametrize("end", ["", f"&command={'x' * 300}"])
def test_the_folder_of_an_earlier_kvmkit_is_found(end: str) -> None:
    uri = f"qemu+ssh://root@KVM1:22/system?keyfile=/k{end}"
    entry = Entry.begin(plan().model_copy(update={"uri": uri}))
    folder = entry.path.parent
    old = folder.with_name(quote(uri, safe="")[:200])
    folder.rename(old)

    assert [found.path.parent for found in entries(uri)] == [old]
    entries(uri)[0].write(step=0, state="started")
    assert entries(uri)[0].steps == ["started", ""]


@pytest.mark.parametrize("other", ["qemu+ssh://root@KVM1/system", "qemu+ssh://ann@kvm1:22/system?keyfile=/k"])
def test_one_machine_has_one_lock(other: str) -> None:
    with lock("qemu+ssh://root@kvm1/system", "applying"), pytest.raises(Busy), lock(other, "undoing"):
        pytest.fail("two had it")


@pytest.mark.parametrize("other", ["qemu+ssh://root@kvm2/system", "qemu+ssh://root@kvm1:2222/system"])
def test_other_machines_have_others(other: str) -> None:
    with lock("qemu+ssh://root@kvm1/system", "applying"), lock(other, "undoing"):
        pass
