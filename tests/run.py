"""Runs every test tier that this machine allows, and says at the end what was left out and why.

`make test` runs all of them; `.venv/bin/python -m tests.run unit nbval` runs those two.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.bench.stale import benchmarks_note

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "tests"
"""What each tier prints, and its JUnit file; those of the last run."""
SLOWEST = 10
"""How many tests the summary names for the time that they took."""


@dataclass(frozen=True)
class Tier:
    """A kind of tests, told apart by what it needs."""

    name: str
    pytest: tuple[str, ...]
    bound: int
    """Seconds after which the tier is ended and counts as failed; many times what it takes."""
    load: float = 1
    """How many processors it keeps busy; the rest of its time it waits."""
    command: tuple[str, ...] = ()
    """Run instead of pytest."""


@dataclass(frozen=True)
class Result:
    """What came of a tier."""

    tier: str
    outcome: str
    seconds: float
    tests: int = 0
    left_out: tuple[tuple[str, int], ...] = ()
    """Reasons, and how many tests each left out."""
    slowest: tuple[tuple[float, str], ...] = ()
    """Seconds and names of its tests, the slowest first."""
    failed: tuple[str, ...] = ()
    """Names of the tests that failed."""


def workers(number: int) -> tuple[str, ...]:
    """Have pytest run so many tests at a time."""
    return ("-n", str(number), "--dist", "worksteal")


# Those that take longest come first; the others fill what these leave of the processors.
TIERS = (
    # Much of it is waiting for deadlines on hosts of their own.
    Tier("netlab", (*workers(4), "tests/netlab"), 1200, 0.9),
    Tier("realqemu", (*workers(2), "tests/realqemu"), 1200, 1.1),
    Tier("lint", (), 600, 1, ("make", "--no-print-directory", "lint")),
    Tier("unit", (*workers(2), "tests/test_habits.py", "tests/unit"), 600, 1.5),
    Tier("browser", ("-n", "2", "--dist", "loadfile", "tests/browser"), 900, 1.2),
    Tier("practice", (*workers(2), "tests/practice"), 600, 1.2),
    Tier("dnf", ("tests/dnf",), 900, 0.8),
    Tier(
        "nbval",
        (
            *("--nbval", "--nbval-current-env", "--nbval-sanitize-with", "tests/nbval.cfg"),
            *("--nbval-cell-timeout", "90", "notebooks"),
        ),
        600,
    ),
    Tier("doctest", ("--doctest-modules", "--doctest-glob=*.md", "kvmkit", "README.md", "docs/how-to"), 300),
    Tier("docs", ("tests/docs",), 600),
)


@dataclass
class Running:
    """Commands that run now, to be ended with whatever they started when this run ends."""

    groups: set[int] = field(default_factory=set)

    def run(self, command: Sequence[str], bound: int, log: Path) -> int:
        """Run a command and all its children for at most `bound` seconds; 124 when that was not enough."""
        with log.open("w") as out:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self.groups.add(process.pid)
            try:
                return process.wait(bound)
            except subprocess.TimeoutExpired:
                out.write(f"\nended after {bound} s: {' '.join(command)}\n")
                return 124
            finally:
                # Also what a crashed run leaves behind.
                self._kill(process.pid)
                process.wait()
                self.groups.discard(process.pid)

    def end(self) -> None:
        """End all that still runs."""
        for group in tuple(self.groups):
            self._kill(group)

    @staticmethod
    def _kill(group: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def run_tier(tier: Tier, running: Running) -> Result:
    """Run a tier, and read from its JUnit file how long tests took, and which were skipped and why."""
    LOGS.mkdir(parents=True, exist_ok=True)
    report, log = LOGS / f"{tier.name}.xml", LOGS / f"{tier.name}.log"
    report.unlink(missing_ok=True)
    pytest = (sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", *tier.pytest)
    start = time.monotonic()
    code = running.run(tier.command or pytest, tier.bound, log)
    seconds = time.monotonic() - start
    if tier.command:
        return Result(tier.name, "FAILED" if code else "passed", seconds)
    return read_report(tier.name, code, seconds, report)


def read_report(name: str, code: int, seconds: float, report: Path) -> Result:
    """Make a result of pytest's exit code and JUnit file."""
    cases = list(ET.parse(report).iter("testcase")) if report.exists() else []  # noqa: S314 (pytest wrote it)
    skips = [case.find("skipped") for case in cases]
    reasons = Counter(skip.get("message", "no reason given") for skip in skips if skip is not None)
    ran = len(cases) - reasons.total()
    timed = sorted(((float(case.get("time", 0)), _name(case)) for case in cases), reverse=True)
    failed = [
        _name(case) for case in cases if any(case.find(kind) is not None for kind in ("failure", "error"))
    ]
    return Result(
        name,
        "FAILED" if code else "passed" if ran else "LEFT OUT",
        seconds,
        ran,
        tuple(reasons.most_common()),
        tuple(timed[:SLOWEST]),
        tuple(failed),
    )


def _name(case: ET.Element) -> str:
    return f"{case.get('classname', '').removeprefix('tests.')}::{case.get('name')}"


def run_tiers(tiers: Sequence[Tier]) -> list[Result]:
    """Run tiers side by side, as many as keep the processors busy; print what a tier printed when it ends."""
    waiting, running = list(tiers), Running()
    futures: dict[Future[Result], Tier] = {}
    results: dict[str, Result] = {}
    with ThreadPoolExecutor(len(tiers)) as pool:
        try:
            while waiting or futures:
                for tier in list(waiting):
                    if fits(tier, list(futures.values())):
                        print(f"== {tier.name} begins", flush=True)
                        futures[pool.submit(run_tier, tier, running)] = tier
                        waiting.remove(tier)
                for future in wait(futures, return_when=FIRST_COMPLETED).done:
                    tier, result = futures.pop(future), future.result()
                    results[tier.name] = result
                    text = (LOGS / f"{tier.name}.log").read_text(errors="replace").rstrip()
                    print(
                        f"\n== {tier.name}: {result.outcome} in {result.seconds:.0f} s\n{text}\n", flush=True
                    )
        finally:
            running.end()
    return [results[tier.name] for tier in tiers]


def fits(tier: Tier, beside: Sequence[Tier]) -> bool:
    """Whether a tier may run beside others without being short of processors."""
    processors = os.cpu_count() or 1
    return not beside or tier.load + sum(other.load for other in beside) <= processors * 1.1


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


def summary(results: Sequence[Result], seconds: float) -> str:
    """Render the closing table, with the slowest tests and everything that was left out named below it."""
    lines = ["tier       result     tests  seconds  left out"]
    for result in results:
        left_out = sum(count for _, count in result.left_out)
        head = f"{result.tier:<10} {result.outcome:<8} {result.tests or '':>7}"
        lines.append(f"{head} {result.seconds:>8.0f}  {left_out or ''}")
    lines.append(f"{'all':<26} {seconds:>9.0f}  side by side")
    timed = sorted(((*row, result.tier) for result in results for row in result.slowest), reverse=True)
    if timed:
        lines += ["", f"the {SLOWEST} slowest tests, in seconds"]
        lines += [f"{seconds:>8.1f}  {tier}: {name}" for seconds, name, tier in timed[:SLOWEST]]
    lines += [f"FAILED in {result.tier}: {name}" for result in results for name in result.failed]
    for result in results:
        lines += [f"LEFT OUT of {result.tier}: {count} x {reason}" for reason, count in result.left_out]
    return "\n".join(line.rstrip() for line in lines)


def named(names: Sequence[str]) -> list[Tier]:
    """Give the tiers of these names, or all of them; exits with a list of them when a name is unknown."""
    known = {tier.name: tier for tier in TIERS}
    if unknown := sorted(set(names) - known.keys()):
        sys.exit(f"no such tier: {', '.join(unknown)}; there are {', '.join(known)}")
    return [tier for tier in TIERS if not names or tier.name in names]


def main(names: Sequence[str]) -> int:
    """Run the tiers named, or all of them; 0 when nothing failed."""
    # Else the tiers would go on when this process is asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    start = time.monotonic()
    results = run_tiers(named(names))
    notes = filter(None, (compared_cells(), benchmarks_note()))
    print("== What was tested", summary(results, time.monotonic() - start), *notes, sep="\n", flush=True)
    return any(result.outcome == "FAILED" for result in results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
