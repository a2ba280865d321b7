"""Repeats tiers while all processors are kept busy, and counts which tests fail by chance.

`make soak ROUNDS=10 TIERS="browser netlab"`. The rounds of one commit are kept below build/soak and add up:
when a run is ended early, the next one goes on until there are as many rounds as asked for.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.run import ROOT, Result, Tier, named, run_tiers

KEPT = ROOT / "build" / "soak"
BUSY = "while True: pass"


@dataclass(frozen=True)
class Round:
    """One tier, run once."""

    tier: str
    outcome: str
    seconds: float
    tests: int
    failed: tuple[str, ...]


def main() -> int:
    """Run what is missing of the rounds, print the table; 1 when anything failed in any round."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("rounds", type=int, help="how many rounds this commit shall have in all")
    parser.add_argument("tiers", nargs="*", help="all of them unless some are named")
    args = parser.parse_args()
    # Else the tiers and the busy processes would go on when this process is asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tiers = named(args.tiers)
    file = KEPT / f"{commit()}.jsonl"
    with busy_processors():
        while missing := [tier for tier in tiers if count(read(file), tier) < args.rounds]:
            begin = time.monotonic()
            keep(file, run_tiers(missing))
            print(f"{table(read(file), tiers)}\na round of {time.monotonic() - begin:.0f} s", flush=True)
    rounds = [done for done in read(file) if done.tier in {tier.name for tier in tiers}]
    print(f"\n== {file.stem} under load\n{table(rounds, tiers)}", flush=True)
    return any(done.outcome == "FAILED" for done in rounds)


def commit() -> str:
    """Name what is tested; exits when it has no name, as files were changed since the last commit."""
    if subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=ROOT, check=False).returncode:
        sys.exit("rounds are counted for a commit, and files have changed since the last: commit them first")
    asked = ["git", "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def busy_processors() -> Iterator[None]:
    """Keep every processor busy with a process that only counts, as long as the block runs."""
    busy = [subprocess.Popen([sys.executable, "-I", "-c", BUSY]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def count(rounds: Sequence[Round], tier: Tier) -> int:
    """How many rounds a tier has had."""
    return sum(done.tier == tier.name for done in rounds)


def read(file: Path) -> list[Round]:
    """Read the rounds that are kept of a commit."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [Round(**json.loads(line)) for line in lines]


def keep(file: Path, results: Sequence[Result]) -> None:
    """Add a round of each of these tiers."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        for result in results:
            done = Round(result.tier, result.outcome, round(result.seconds), result.tests, result.failed)
            out.write(json.dumps(asdict(done)) + "\n")


def table(rounds: Sequence[Round], tiers: Sequence[Tier]) -> str:
    """Render how often each tier ran and failed, and below it how often each test did."""
    lines = ["tier       rounds  failed   tests  seconds, at most"]
    for tier in tiers:
        of = [done for done in rounds if done.tier == tier.name]
        failed = sum(done.outcome == "FAILED" for done in of)
        tests, seconds = sum(done.tests for done in of), max((done.seconds for done in of), default=0)
        lines.append(f"{tier.name:<10} {len(of):>6} {failed:>7} {tests:>7} {seconds:>8.0f}")
    names = Counter(f"{done.tier}: {name}" for done in rounds for name in done.failed)
    lines += [f"failed {times} x  {name}" for name, times in names.most_common()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
