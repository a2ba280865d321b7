"""Each capture gives the report that is written down in expected/; KVMKIT_REWRITE=1 writes them anew."""

import os
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.check import judge_facts
from kvmkit.check.facts import parse

CAPTURES = sorted((Path(__file__).parents[2] / "captures").glob("*.txt"))
EXPECTED = Path(__file__).parent / "expected"


def told(checks: list[kk.Check]) -> str:
    lines = []
    for check in checks:
        lines.append(f"{check.status:<4}  {check.check}: {check.found}")
        lines += [
            f"      {name}: {text}"
            for name in ("expected", "fix", "runbook")
            if (text := getattr(check, name))
        ]
        lines += [f"      mended by: {' '.join(check.mended_by)}"] if check.mended_by else []
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_a_capture_gives_the_expected_report(capture: Path) -> None:
    expected = EXPECTED / capture.name
    report = told(judge_facts(parse(capture.read_text())))

    if os.environ.get("KVMKIT_REWRITE"):
        expected.write_text(report)
    assert report == expected.read_text()


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("session", [False, True], ids=["system", "session"])
def test_every_row_is_whole_and_every_fault_has_a_fix(capture: Path, session: bool) -> None:
    checks = judge_facts(parse(capture.read_text(), session=session))

    assert len({check.check for check in checks}) == len(checks) == 23
    assert all(check.found and check.expected and check.why for check in checks)
    assert [check.check for check in checks if check.status in ("WARN", "FAIL") and not check.fix] == []


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("session", [False, True], ids=["system", "session"])
def test_only_what_is_wrong_is_mended_and_the_runbook_that_is_named_can(capture: Path, session: bool) -> None:
    checks = judge_facts(parse(capture.read_text(), session=session))

    assert all(check.status in ("WARN", "FAIL") for check in checks if check.mended_by)
    assert all((check.runbook == "20-prepare-host") == bool(check.mended_by) for check in checks)


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_a_capture_says_where_it_comes_from(capture: Path) -> None:
    first = capture.read_text().splitlines()[0]

    assert first.startswith(("# recorded ", "# synthetic: "))
    assert first.startswith("# recorded ") == capture.stem.startswith("debian12")


def test_the_practice_host_is_ready_and_what_is_rehearsed_never_passes() -> None:
    host = kk.connect("test:///default")
    report = kk.check_host(host)

    assert report.ok
    assert list(report.frame.columns) == ["check", "status", "found", "expected", "why", "fix", "runbook"]
    skipped = {check.check: check.found for check in report.checks if check.status == "SKIP"}
    assert set(skipped) == {"packages", "libvirt at boot"}
    assert all(found.startswith("rehearsed: ") for found in skipped.values())
    assert kk.check_host(host).frame.equals(report.frame)
