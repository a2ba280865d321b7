"""A person's copies of the runbooks: what is written, and what is left as it is."""

import json
import shutil
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit import lab
from kvmkit.runs.runbook import runbooks

NAME = "40-create-vm.ipynb"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give what is taken for the package's runbooks: two, which may become newer."""
    folder = tmp_path / "package"
    folder.mkdir()
    for name in ("00-menu.ipynb", NAME):
        shutil.copy(runbooks() / name, folder)
    monkeypatch.setattr(lab, "runbooks", lambda: folder)
    return folder


def test_runbooks_are_copied_once(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "a" / "mine"

    assert lab.copy_runbooks(mine) == []
    assert {path.name: path.read_bytes() for path in mine.glob("*.ipynb")} == {
        path.name: path.read_bytes() for path in source.iterdir()
    }
    before = {path: path.stat() for path in mine.iterdir()}
    assert lab.copy_runbooks(mine) == []
    assert {path: path.stat() for path in mine.iterdir()} == before


def test_a_changed_one_stays_and_is_named_and_a_deleted_one_comes_back(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    lab.copy_runbooks(mine)
    (mine / NAME).write_bytes(b"changed")
    (mine / "00-menu.ipynb").unlink()
    (source / NAME).write_bytes(b"newer")

    assert lab.copy_runbooks(mine) == [NAME] == lab.copy_runbooks(mine)
    assert (mine / NAME).read_bytes() == b"changed"
    assert (mine / "00-menu.ipynb").exists()


def test_an_older_one_that_nobody_changed_becomes_the_newer(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    lab.copy_runbooks(mine)
    (source / NAME).write_bytes(b"newer")

    assert lab.copy_runbooks(mine) == []
    assert (mine / NAME).read_bytes() == b"newer"


@pytest.mark.parametrize("record", [None, "{", "[]", '{"40-create-vm.ipynb": 1}'])
def test_without_a_record_that_can_be_read_a_difference_is_a_change(
    record: str | None, source: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    lab.copy_runbooks(mine)
    (source / NAME).write_bytes(b"newer")
    (mine / lab.GIVEN).unlink()
    if record:
        (mine / lab.GIVEN).write_text(record, encoding="utf-8")

    assert lab.copy_runbooks(mine) == [NAME]
    assert json.loads((mine / lab.GIVEN).read_text(encoding="utf-8")).keys() >= {"00-menu.ipynb"}


def test_a_link_or_a_folder_of_that_name_stays(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "00-menu.ipynb").mkdir(parents=True)
    (mine / NAME).symlink_to(tmp_path / "nowhere")

    assert lab.copy_runbooks(mine) == ["00-menu.ipynb", NAME]
    assert (mine / NAME).is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_where_they_come_from_nothing_is_written(source: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(source)

    assert lab.copy_runbooks(tmp_path / "link") == []
    assert {path.name for path in source.iterdir()} == {"00-menu.ipynb", NAME}


def test_a_folder_that_cannot_be_written_to_is_told(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, why in (
        (tmp_path / "file", "File exists"),
        (Path("/proc/kvmkit"), "No such file or directory"),
    ):
        with pytest.raises(kk.KvmkitError, match=f"cannot keep runbooks in {folder}: {why}.*--folder=FOLDER"):
            lab.copy_runbooks(folder)
