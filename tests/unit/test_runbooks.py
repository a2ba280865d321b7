"""Where runbooks are looked for in a clone; where they are in a wheel is shown by an installed one."""

from pathlib import Path

from kvmkit.runs.runbook import find

ROOT = Path(__file__).resolve().parents[2]


def test_a_clone_runs_its_own_runbooks() -> None:
    assert find("10-check-host") == find("10-check-host.ipynb") == ROOT / "notebooks" / "10-check-host.ipynb"
