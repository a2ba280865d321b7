"""What must outlive a process is for its owner alone, and is whole or old, never a part."""

import os
from pathlib import Path

import pytest

from kvmkit.errors import KvmkitError
from kvmkit.journal import note_act
from kvmkit.state import state_folder, write_whole


def test_the_folder_follows_the_environment_and_is_closed_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "a b" / "state"))

    assert state_folder() == tmp_path / "a b" / "state" / "kvmkit"
    assert state_folder().stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_it_is_in_the_home_folder(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if value is None:
        monkeypatch.delenv("XDG_STATE_HOME")
    else:
        monkeypatch.setenv("XDG_STATE_HOME", value)

    assert state_folder() == tmp_path / ".local" / "state" / "kvmkit"


def test_a_file_is_replaced_as_a_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "host.xml"
    write_whole(path, b"old")
    write_whole(path, b"new")

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "host.xml"
    write_whole(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        KvmkitError, match=f"^cannot use {path}, .*: No space left on device. .*XDG_STATE_HOME"
    ):
        write_whole(path, b"new")

    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
@pytest.mark.parametrize("below", ["", "journal"])
def test_a_folder_in_which_others_may_write_is_not_used(
    mode: int, below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "kvmkit" / below).mkdir(parents=True)
    (tmp_path / "kvmkit" / below).chmod(mode)

    with pytest.raises(KvmkitError, match=r"not yours alone: others may write there\. .*chmod go-w"):
        note_act("test:///default", "start VM a")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    os.chown(state_folder(), 4711, -1)

    with pytest.raises(KvmkitError, match=r"not yours alone: user 4711 owns it"):
        state_folder()
