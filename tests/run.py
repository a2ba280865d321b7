"""Runs every test tier that this machine allows, and says at the end what was left out and why.

`make test` runs all of them; `.venv/bin/python tests/run.py unit nbval` runs those two.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Tier:
    """A kind of tests, told apart by what it needs."""

    name: str
    pytest: tuple[str, ...]
    bound: int
    """Seconds after which the tier is ended and counts as failed; many times what it takes."""


@dataclass(frozen=True)
class Result:
    """What came of a tier."""

    tier: str
    outcome: str
    seconds: float
    tests: int = 0
    left_out: tuple[tuple[str, int], ...] = ()
    """Reasons, and how many tests each left out."""


TWO = ("-n", "2", "--dist", "worksteal")
"""Two tests at a time, as most of them are one process after the other."""
TIERS = (
    Tier("unit", (*TWO, "tests/test_habits.py", "tests/unit"), 900),
    Tier("doctest", ("--doctest-modules", "--doctest-glob=*.md", "kvmkit", "README.md", "docs/how-to"), 600),
    Tier("practice", (*TWO, "tests/practice"), 900),
    Tier(
        "nbval",
        (
            *("--nbval", "--nbval-current-env", "--nbval-sanitize-with", "tests/nbval.cfg"),
            *("--nbval-cell-timeout", "300", "notebooks"),
        ),
        900,
    ),
    Tier("docs", ("tests/docs",), 900),
    Tier("browser", ("tests/browser",), 900),
    Tier("dnf", ("tests/dnf",), 1200),
    # Much of it is waiting for deadlines on hosts of their own.
    Tier("netlab", ("-n", "3", "--dist", "worksteal", "tests/netlab"), 2400),
    Tier("realqemu", (*TWO, "tests/realqemu"), 2400),
)


def run_bounded(command: list[str], bound: int) -> int:
    """Run a command and all its children for at most `bound` seconds; 124 when that was not enough."""
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(bound)
    except subprocess.TimeoutExpired:
        print(f"ended after {bound} s: {' '.join(command)}", flush=True)
        return 124
    finally:
        # Also what an interrupted or crashed run leaves behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run_lint() -> Result:
    """Style, types, imports: first, because it is the quickest to fail."""
    print("\n== lint", flush=True)
    start = time.monotonic()
    code = run_bounded(["make", "--no-print-directory", "lint"], 900)
    return Result("lint", "passed" if code == 0 else "FAILED", time.monotonic() - start)


def run_tier(tier: Tier, scratch: Path) -> Result:
    """Run a tier by pytest, and read from its JUnit file what was skipped and why."""
    print(f"\n== {tier.name}", flush=True)
    report = scratch / f"{tier.name}.xml"
    start = time.monotonic()
    code = run_bounded(
        [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", *tier.pytest], tier.bound
    )
    seconds = time.monotonic() - start
    cases = list(ET.parse(report).iter("testcase")) if report.exists() else []  # noqa: S314 (pytest wrote it)
    skips = [case.find("skipped") for case in cases]
    reasons = Counter(skip.get("message", "no reason given") for skip in skips if skip is not None)
    ran = len(cases) - reasons.total()
    outcome = "FAILED" if code else "passed" if ran else "LEFT OUT"
    return Result(tier.name, outcome, seconds, ran, tuple(reasons.most_common()))


def not_compared() -> list[tuple[str, str]]:
    """List the runbooks' cells that nbval does not compare; the one place that names them."""
    lines = (ROOT / "tests" / "not-compared.txt").read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if not line.startswith("#")]
    return [(runbook, cell) for runbook, cell, *_why in words]


def compared_cells() -> str:
    """Say how many of the runbooks' code cells nbval compares."""
    total = 0
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            total += cell["cell_type"] == "code" and bool("".join(cell["source"]).strip())
    compared = total - len(not_compared())
    return f"runbooks: {compared} of {total} code cells compared ({100 * compared // max(total, 1)} %)"


def summary(results: list[Result]) -> str:
    """Render the closing table, with everything that was left out named below it."""
    lines = ["tier       result     tests  seconds  left out"]
    for result in results:
        left_out = sum(count for _, count in result.left_out)
        head = f"{result.tier:<10} {result.outcome:<8} {result.tests or '':>7}"
        lines.append(f"{head} {result.seconds:>8.0f}  {left_out or ''}")
    for result in results:
        lines += [f"LEFT OUT of {result.tier}: {count} x {reason}" for reason, count in result.left_out]
    return "\n".join(line.rstrip() for line in lines)


def main(names: list[str]) -> int:
    """Run the tiers named, or all of them; 0 when nothing failed."""
    known = ["lint", *(tier.name for tier in TIERS)]
    if unknown := set(names) - set(known):
        print(f"no such tier: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        return 2
    wanted = names or known
    results = [run_lint()] if "lint" in wanted else []
    with tempfile.TemporaryDirectory(prefix="kvmkit-results-") as scratch:
        results += [run_tier(tier, Path(scratch)) for tier in TIERS if tier.name in wanted]
    print(f"\n== What was tested\n{summary(results)}\n{compared_cells()}", flush=True)
    return any(result.outcome == "FAILED" for result in results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
