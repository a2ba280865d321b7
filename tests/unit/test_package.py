"""What is installed: a wheel has the runbooks and the data files, a clone is used as it stands."""

import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling import build

from kvmkit.runs.runbook import find

ROOT = Path(__file__).resolve().parents[2]


def test_a_wheel_has_the_runbooks_where_they_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kvmkit", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb*"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with zipfile.ZipFile(build.build_wheel(str(tmp_path))) as wheel:
        names = set(wheel.namelist())

    runbooks = {f"kvmkit/notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    data = {f"kvmkit/data/{path.name}" for path in (ROOT / "kvmkit" / "data").iterdir()}
    assert runbooks
    assert data
    assert runbooks | data <= names


def test_a_clone_runs_its_own_runbooks() -> None:
    assert find("10-check-host") == find("10-check-host.ipynb") == ROOT / "notebooks" / "10-check-host.ipynb"
