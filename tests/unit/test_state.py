"""What must outlive a process is for its owner alone, and is whole or old, never a part."""

import os
from pathlib import Path

import pytest

from kvmkit.errors import KvmkitError
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
