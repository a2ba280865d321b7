"""Commands for those who work on kvmkit, each run in a folder of its own."""

import subprocess
from pathlib import Path

import pytest

from tests import written
from tests.written import ROOT


def test_make_clean_removes_all_that_is_not_committed(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    # Byte code and what Jupyter keeps lie beside what is committed, and are nobody's to miss.
    made = [line.strip("/") for line in ignored if line.endswith("/")]
    for name in {*made} - {"__pycache__", ".ipynb_checkpoints"}:
        (tmp_path / name).mkdir(parents=True)
    done = written.run("make clean", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.rglob("*") if not path.is_dir()] == ["Makefile"]
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} <= {
        *("Makefile", "docs", "docs/tutorials", "kvmkit", "kvmkit/forms"),
    }


def test_the_hook_refuses_a_commit_that_lint_would_not_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "pre-commit"))
    monkeypatch.setenv("SKIP", "mypy,import-linter")  # which look at the whole project
    for name in ("author", "committer"):
        monkeypatch.setenv(f"GIT_{name.upper()}_NAME", name)
        monkeypatch.setenv(f"GIT_{name.upper()}_EMAIL", f"{name}@example.org")
    clone = tmp_path / "clone"

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], cwd=clone, capture_output=True, text=True, check=False)

    clone.mkdir()
    git("init", "--quiet")
    for name in (".pre-commit-config.yaml", "pyproject.toml"):
        (clone / name).write_bytes((ROOT / name).read_bytes())
    (clone / ".venv").symlink_to(ROOT / ".venv")
    installed = written.run(".venv/bin/pre-commit install", cwd=clone)
    (clone / "bad.py").write_text('"""Imports what it does not use."""\n\nimport os\n', encoding="utf-8")
    git("add", "bad.py", ".pre-commit-config.yaml", "pyproject.toml")
    refused = git("commit", "--message", "Add a file")

    assert installed.returncode == 0, installed.stdout + installed.stderr
    assert refused.returncode == 1
    assert "`os` imported but unused" in refused.stdout + refused.stderr


def test_tiers_are_run_by_their_names() -> None:
    done = written.run(".venv/bin/python -m tests.run unit nbval", "nonsense")

    assert done.returncode != 0
    assert "no such tier: nonsense; there are" in done.stdout + done.stderr


def test_make_matrix_lists_its_parts_where_none_is_named() -> None:
    done = written.run("make matrix")

    assert done.returncode == 0, done.stderr
    assert "\n  netlab " in done.stdout
