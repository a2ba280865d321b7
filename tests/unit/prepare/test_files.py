"""Files are changed whole or not at all, never over somebody else's change, and given back byte for byte."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.journal import entries
from kvmkit.prepare import files
from kvmkit.prepare.files import diff, edit_file, look, masked, remove_file, write_file
from kvmkit.prepare.root import Root

OLD = b"# caf\xe9\nuser = 'qemu'\nvnc_password = \"hunter2\"\nno newline at the end"
LONG_AGO = 1_000_000_000


class Killed(BaseException):
    """The process ends here; nothing of it goes on."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "etc" / "a file.conf"
    file.parent.mkdir()
    file.write_bytes(OLD)
    file.chmod(0o640)
    os.utime(file, (LONG_AGO, LONG_AGO))
    return file


def plan(*steps: kk.Step) -> kk.Plan:
    return kk.Plan(uri="qemu:///system", title="change files", steps=steps)


def write(file: Path) -> kk.Step:
    return write_file(str(file), file.read_bytes(), "new\n")


def remove(file: Path) -> kk.Step:
    return remove_file(str(file), file.read_bytes())


def edit(file: Path) -> kk.Step:
    return edit_file(str(file), file.read_bytes(), {"user": "user = 'root'"})


STEPS = [write, remove, edit]
AFTER: dict[Callable[[Path], kk.Step], bytes | None]
AFTER = {write: b"new\n", remove: None, edit: OLD.replace(b"'qemu'", b"'root'")}


def content(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def is_as_before(file: Path) -> bool:
    """Content, mode and time are those of before, and nothing else is left."""
    found = file.stat()
    leftovers = [*file.parent.iterdir()] != [file] or (file.parents[1] / "var" / "kept").exists()
    return (file.read_bytes(), stat.S_IMODE(found.st_mode), int(found.st_mtime)) == (
        OLD,
        0o640,
        LONG_AGO,
    ) and not leftovers


@pytest.mark.parametrize("step", STEPS)
def test_a_change_is_made_and_taken_back(here: kk.Host, file: Path, step: Callable[[Path], kk.Step]) -> None:
    planned = plan(step(file))
    report = kk.apply(planned)

    assert content(file) == AFTER[step]
    assert not file.exists() or stat.S_IMODE(file.stat().st_mode) == 0o640
    assert kk.apply(planned).frame["found"].tolist() == ["already so"]
    kk.undo(report)
    assert is_as_before(file)


def test_a_new_file_can_be_read_by_all_and_is_removed_again(here: kk.Host, file: Path) -> None:
    new = file.with_name("new.repo")
    report = kk.apply(plan(write_file(str(new), None, "[new]\n")))

    assert (new.read_text(), stat.S_IMODE(new.stat().st_mode)) == ("[new]\n", 0o644)
    kk.undo(report)
    assert is_as_before(file)


@pytest.mark.parametrize("step", STEPS)
def test_what_somebody_changed_since_planning_is_left_alone(
    here: kk.Host, file: Path, step: Callable[[Path], kk.Step]
) -> None:
    planned = plan(step(file))
    file.write_text("somebody's\n")
    with pytest.raises(kk.ApplyFailed, match="changed by somebody"):
        kk.apply(planned)

    assert file.read_text() == "somebody's\n"


@pytest.mark.parametrize("step", [write, edit])
def test_what_somebody_changed_since_it_was_applied_is_left_alone_by_undo(
    here: kk.Host, file: Path, step: Callable[[Path], kk.Step]
) -> None:
    report = kk.apply(plan(step(file)))
    changed = file.read_bytes() + b"\nsomebody's = 1\n"
    file.write_bytes(changed)
    with pytest.raises(kk.ApplyFailed, match="as it was before, it is kept in") as caught:
        kk.undo(report)

    assert file.read_bytes() == changed
    kept = str(caught.value).rpartition("kept in ")[2]
    assert Path(kept).read_bytes() == OLD


@pytest.mark.parametrize("way", ["forward", "back"])
@pytest.mark.parametrize("moment", range(3))
@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_while_applying_can_go_both_ways(
    here: kk.Host,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: Callable[[Path], kk.Step],
    moment: int,
    way: str,
) -> None:
    planned = plan(step(file))
    die_at(monkeypatch, moment, ("keep", "write", "remove"))
    with pytest.raises(Killed):
        kk.apply(planned)
    monkeypatch.undo()
    monkeypatch.setattr(files, "KEPT", f"{file.parents[1]}/var/kept")
    monkeypatch.setattr(files, "as_root", Root)
    monkeypatch.setenv("XDG_STATE_HOME", f"{file.parents[1]}/state")

    assert [p.id for p in kk.pending(here)] == [planned.id]
    if way == "forward":
        kk.apply(planned)
        assert content(file) == AFTER[step]
    kk.undo(here, planned.id)
    assert is_as_before(file)


@pytest.mark.parametrize("moment", range(4))
@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_while_undoing_can_go_on(
    here: kk.Host, file: Path, monkeypatch: pytest.MonkeyPatch, step: Callable[[Path], kk.Step], moment: int
) -> None:
    report = kk.apply(plan(step(file)))
    with monkeypatch.context() as patched:
        die_at(patched, moment, ("restore", "forget"))
        with pytest.raises(Killed):
            kk.undo(report)
    kk.undo(here, report.plan_id)

    assert is_as_before(file)


def die_at(monkeypatch: pytest.MonkeyPatch, moment: int, verbs: tuple[str, ...]) -> None:
    """Die before the first of the verbs, after it, before the second, and so on."""
    script, seen = files._script, [0]

    def dying(root: Root, verb: str, *words: str, stdin: str = "") -> str:
        if verb in verbs:
            seen[0] += 1
            if seen[0] * 2 - 2 == moment:
                raise Killed
        said = script(root, verb, *words, stdin=stdin)
        if verb in verbs and seen[0] * 2 - 1 == moment:
            raise Killed
        return said

    monkeypatch.setattr(files, "_script", dying)


def test_half_of_a_file_never_takes_its_place(here: kk.Host, file: Path) -> None:
    with pytest.raises(kk.CommandFailed, match="ended before all of"):
        files._script(Root(here), "write", str(file), "1000", stdin="aGFsZg==\n")

    assert is_as_before(file)


def test_a_link_is_left_alone(here: kk.Host, file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    with pytest.raises(kk.Conflict, match="is a symbolic link"):
        look(Root(here), [str(link)])


def test_a_folder_is_no_file(here: kk.Host, file: Path) -> None:
    with pytest.raises(kk.Conflict, match="is no plain file"):
        look(Root(here), [str(file.parent)])


def test_files_are_read_as_they_are(here: kk.Host, file: Path) -> None:
    absent = str(file.with_name("absent"))
    assert look(Root(here), [absent, str(file)]) == {absent: None, str(file): OLD}
    assert look(Root(here), []) == {}


def test_a_password_in_a_file_is_neither_shown_nor_kept_in_the_journal(here: kk.Host, file: Path) -> None:
    planned = plan(edit(file), remove_file(str(file), AFTER[edit] or b""))
    kk.apply(planned)
    journal = "".join(entry.path.read_text() for entry in entries("qemu:///system"))

    assert "root" in journal
    assert "hunter2" not in journal + repr(planned) + diff(str(file), OLD, None)
    other = OLD.replace(b"hunter2", b"hunter3")
    assert edit_file(str(file), other, {"user": "user = 'root'"}) == planned.steps[0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('vnc_password = "x"', "vnc_password = ..."),
        ("# spice_password=x", "# spice_password=..."),
        ("proxy_password: x", "proxy_password: ..."),
        ("baseurl=https://me:x@repo.example/", "baseurl=https://...@repo.example/"),
        ("# The default VNC password. To set", "# The default VNC password. To set"),
    ],
)
def test_passwords_are_blotted_out(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_a_file_in_a_folder_that_is_not_there_is_not_written(here: kk.Host, tmp_path: Path) -> None:
    step = write_file(f"{tmp_path}/nowhere/new.conf", None, "new")
    with pytest.raises(kk.ApplyFailed, match=r"the host is as before"):
        kk.apply(plan(step))

    assert not kk.pending(here)
    assert not (tmp_path / "nowhere").exists()
