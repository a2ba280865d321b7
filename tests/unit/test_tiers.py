"""How tiers are run side by side, what is said of them, and which rows of a test are kept."""

import os
import sys
from pathlib import Path

import pytest

from tests import matrix, run, soak
from tests.run import Result, Running, Tier, fits, read_report, summary

pytest_plugins = ["pytester"]

REPORT = """<testsuites><testsuite>
<testcase classname="tests.unit.test_a" name="test_quick" time="0.1"/>
<testcase classname="tests.unit.test_a" name="test_slow" time="9.5"><failure message="no"/></testcase>
<testcase classname="tests.unit.test_b" name="test_left" time="0"><skipped message="no QEMU"/></testcase>
</testsuite></testsuites>"""


def test_a_tier_runs_beside_others_as_long_as_there_are_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    small, large = Tier("small", (), 1, 0.8), Tier("large", (), 1, 5)

    assert fits(small, [small])
    assert not fits(small, [small, small])
    assert fits(large, [])
    assert not fits(large, [small])


def test_a_report_tells_what_was_slow_failed_or_left_out(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(REPORT)

    result = read_report("unit", 1, 12.3, tmp_path / "unit.xml")

    assert (result.outcome, result.tests, result.left_out) == ("FAILED", 2, (("no QEMU", 1),))
    assert result.slowest[0] == (9.5, "unit.test_a::test_slow")
    assert result.failed == ("unit.test_a::test_slow",)
    told = summary([result], 20)
    assert "FAILED in unit: unit.test_a::test_slow" in told
    assert "LEFT OUT of unit: 1 x no QEMU" in told
    assert "     9.5  unit: unit.test_a::test_slow" in told


def test_a_tier_without_a_report_has_failed(tmp_path: Path) -> None:
    assert read_report("unit", 124, 900, tmp_path / "none.xml").outcome == "FAILED"


def test_a_command_is_ended_with_its_children_when_its_time_is_over(tmp_path: Path) -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"

    code = Running().run([sys.executable, "-c", child], 1, tmp_path / "log")

    assert code == 124
    assert "ended after 1 s" in (tmp_path / "log").read_text()


def test_an_unknown_tier_is_told_with_those_there_are() -> None:
    with pytest.raises(SystemExit, match="no such tier: nonsense; there are netlab, realqemu"):
        run.named(["nonsense"])


def test_rounds_of_a_commit_add_up(tmp_path: Path) -> None:
    file, tier = tmp_path / "soak" / "abc.jsonl", Tier("unit", (), 1)
    soak.keep(file, [Result("unit", "passed", 5, 10)])
    soak.keep(file, [Result("unit", "FAILED", 6, 10, failed=("a::b",))])

    rounds = soak.read(file)

    assert soak.count(rounds, tier) == 2
    assert soak.table(rounds, [tier]).splitlines()[1:] == [
        "unit            2       1      20        6",
        "failed 1 x  unit: a::b",
    ]


def test_every_part_of_the_matrix_names_tests_that_there_are() -> None:
    for part in matrix.PARTS.values():
        for word in part.command:
            assert not word.startswith("tests/") or (matrix.ROOT / word).exists(), word
    known = {tier.name for tier in run.TIERS}
    assert set(matrix.PARTS["bookworm"].command[3:]) <= known


ROWS = """
import pytest
@pytest.mark.multiplied(keep=2)
@pytest.mark.parametrize("row", range(10))
def test_many(row): pass
@pytest.mark.parametrize("row", range(3))
def test_few(row): pass
"""


@pytest.mark.parametrize(
    ("arguments", "passed", "deselected"),
    [
        ([], 5, 8),
        (["--all-rows"], 13, 0),
        (["-k", "many"], 10, 3),
        (["test_x.py::test_many"], 10, 0),
    ],
)
def test_rows_are_left_out_unless_asked_for(
    pytester: pytest.Pytester, arguments: list[str], passed: int, deselected: int
) -> None:
    pytester.makeconftest((matrix.ROOT / "conftest.py").read_text())
    pytester.makeini("[pytest]\nmarkers = multiplied: many rows\n")
    pytester.makepyfile(test_x=ROWS)

    done = pytester.runpytest_subprocess("-p", "no:nbval", *arguments)

    done.assert_outcomes(passed=passed, deselected=deselected)
