"""What `make bench` makes of its measurements; nothing is timed here."""

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import stale
from tests.bench.imports import third_party_imports
from tests.bench.measure import Row, alternate, compare, table
from tests.bench.stale import ROOT, UNUSED, benchmarks_note, changed_parts, digests, mark, sources
from tests.lab.lab import Lab
from tests.netlab.lan import Interruption, interruption


def test_the_sides_take_turns_and_the_first_round_does_not_count() -> None:
    clock = iter(range(100))
    pairs = alternate(3, lambda: next(clock), lambda: next(clock))

    assert pairs == [(2, 3), (4, 5), (6, 7)]


def test_a_single_round_is_all_that_is_done() -> None:
    clock = iter(range(100))

    assert alternate(1, lambda: next(clock), lambda: next(clock)) == [(0, 1)]
    assert next(clock) == 2


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, bool]]:
    """Let no part measure: each only notes that it was called, and has a row that breaks its bound."""
    called: list[tuple[str, bool]] = []

    def part(name: str, *, smoke: bool) -> list[Row]:
        called.append((name, smoke))
        return [Row(name, "nothing", 2.0, 1.0)]

    monkeypatch.setattr(Lab, "unavailable", lambda: "")
    monkeypatch.setattr(bench, "PARTS", {name: partial(part, name) for name in bench.PARTS})
    monkeypatch.setattr(stale, "PAGE", tmp_path / "benchmarks.md")
    return called


@pytest.mark.parametrize(
    ("words", "parts", "code"),
    [
        ([], ["lab", "imports", "bridge"], 1),
        (["bridge"], ["bridge"], 1),
        (["--smoke"], ["lab", "imports", "bridge"], 0),
    ],
)
def test_all_parts_are_measured_unless_some_are_named(
    measured: list[tuple[str, bool]],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    parts: list[str],
    code: int,
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", *words])

    assert bench.main() == code
    assert measured == [(part, words == ["--smoke"]) for part in parts]
    assert not stale.PAGE.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense", "lab"], "there is no part nonsense; there are lab, imports, bridge"),
        (["--write", "lab"], "the page shows one run of all parts"),
        (["--write", "--smoke"], "not allowed with argument"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    measured: list[tuple[str, bool]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    with pytest.raises(SystemExit, match="2"):
        bench.main()

    assert said in capsys.readouterr().err
    assert not measured


def test_the_page_is_written_by_one_command_which_tells_how_long_it_took(
    measured: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--write"])
    bench.main()
    page = stale.PAGE.read_text(encoding="utf-8")

    assert "| bridge   | nothing | 2     | 1       | NO    |" in page
    assert changed_parts(page, digests()) == []
    said = capsys.readouterr().out
    assert [line.split(":")[0] for line in said.splitlines()[:4]] == ["lab", "imports", "bridge", "all of it"]


def test_the_page_is_noted_to_be_older_than_what_changed(tmp_path: Path) -> None:
    for name in ("kvmkit", "tests/bench"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "xterm"))
    page = tmp_path / "docs/benchmarks.md"
    page.parent.mkdir()
    page.write_text(f"# Benchmarks\n\n{mark(tmp_path)}\n", encoding="utf-8")
    assert benchmarks_note(tmp_path) == ""

    with (tmp_path / "kvmkit/bridge/plan.py").open("a") as changed:
        changed.write("# changed\n")
    assert "is older than what it measures: imports, bridge changed since" in benchmarks_note(tmp_path)
    page.write_text("# Benchmarks\n", encoding="utf-8")
    assert "lab, imports, bridge changed since" in benchmarks_note(tmp_path)


@pytest.mark.parametrize(("part", "uses"), [("lab", ("vm", "check")), ("bridge", ("bridge",))])
def test_what_a_part_runs_counts_as_measured(part: str, uses: tuple[str, ...]) -> None:
    counted = sources(part)
    used = [path for path in counted if path.suffix == ".py" and path.parent.name in uses]
    modules = [f"{path.parent.parent.name}.{path.parent.name}.{path.stem}" for path in used]
    code = f"""
import importlib, sys
for name in {modules}:
    importlib.import_module(name.removesuffix(".__init__"))
print(*(module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "kvmkit"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert {Path(name) for name in done.stdout.split()} - {*counted} == set()
    assert all((ROOT / "kvmkit" / folder).is_dir() for folder in UNUSED[part])


def test_the_ratio_is_that_of_the_medians() -> None:
    row = compare("ours", "theirs", [(2.0, 1.0), (3.0, 1.5), (90.0, 2.0)], bound=1.9)

    assert row == Row("ours", "theirs", 2.0, 1.9, (3.0, 1.5))
    assert not row.holds


def test_a_figure_at_its_bound_holds_and_one_without_is_only_told() -> None:
    assert Row("ours", "theirs", 1.5, 1.5).holds
    assert Row("ours", "theirs", 99.0).holds


def test_the_table_is_markdown_with_ratios_before_times() -> None:
    rows = [
        Row("a", "beside", 1.257, 1.5, (0.0137, 2.0)),
        Row("trips", "count", 4, 3),
        Row("told", "only", 2.0, None, (1.0, 0.5)),
    ]

    assert table(rows).splitlines() == [
        "| measured | beside | ratio | at most | holds | medians          |",
        "| -------- | ------ | ----- | ------- | ----- | ---------------- |",
        "| a        | beside | 1.26  | 1.5     | yes   | 13.7 ms / 2.00 s |",
        "| trips    | count  | 4     | 3       | NO    |                  |",
        "| told     | only   | 2.00  |         |       | 1.00 s / 500 ms  |",
    ]


def test_the_dependencies_are_the_imports_of_others_modules() -> None:
    lines = third_party_imports()

    assert {"import libvirt", "import pandas as pd", "from lxml import etree"} <= set(lines)
    assert not [line for line in lines if "kvmkit" in line or "subprocess" in line or "__future__" in line]


def test_an_interruption_is_what_was_lost_or_late_and_not_what_was_never_asked() -> None:
    # Number, when it came back, how long that took.
    answers = [
        (1, 10.001, 0.001),
        (2, 10.5, 0.001),
        (3, 10.506, 0.002),
        (7, 10.526, 0.001),
        (8, 10.53, 0.001),
    ]

    found = interruption(answers)

    assert (found.sent, found.lost) == (8, 3)
    assert round(found.seconds, 3) == 0.021
    assert round(interruption([*answers, (9, 11.6, 1.05)]).seconds, 3) == 1.05


def test_a_peer_sees_nothing_shorter_than_the_time_between_two_packets() -> None:
    assert interruption([(1, 10.001, 0.001), (2, 10.006, 0.001)]) == Interruption(2, 0, 0.005)
    assert interruption([]) == Interruption(0, 0, 0)
