"""Proves what multiplies: each fault on each backend, each kill, Debian 12. `make matrix PART=NAME`.

`make test` runs one row of each; a part is for whoever changes what it proves. `make matrix` lists the parts.
"""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOUND = 40 * 60
"""Seconds after which a part is ended."""


@dataclass(frozen=True)
class Part:
    """Some of the tests that `make test` leaves out."""

    proves: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


def pytest(*arguments: str) -> tuple[str, ...]:
    """Have two tests run at a time, those that `make test` leaves out included."""
    return (sys.executable, "-m", "pytest", "-v", "--all-rows", "-n", "2", "--dist", "worksteal", *arguments)


def tiers(*names: str) -> tuple[str, ...]:
    """Run tiers as `make test` does."""
    return (sys.executable, "-m", "tests.run", *names)


PARTS = {
    "unit": Part("values that nobody thought of, many times as many", pytest("tests/unit")),
    "crashes": Part("the practice host: killed at each record of the journal", pytest("tests/practice")),
    "netlab": Part("bridges: each fault with each owner of a card", pytest("tests/netlab")),
    "kills": Part(
        "VMs and installations: killed and failing at each point, each kind", pytest("tests/realqemu")
    ),
    "disks": Part(
        "whose disk it is: each notation, place and link, running or not",
        (sys.executable, "-m", "pytest", "-v", "tests/disks"),  # in one process, as all rows share one host
    ),
    "bookworm": Part(
        "the tiers that run on a Debian machine, on Debian 12",
        tiers("netlab", "realqemu", "dnf"),
        {"SUITE": "bookworm"},
    ),
}


def main() -> int:
    """Run the part named, bounded in time; list the parts when none is."""
    if len(sys.argv) != 2 or sys.argv[1] not in PARTS:
        width = max(map(len, PARTS))
        print("make matrix PART=NAME, of at most 40 minutes each; NAME is one of")
        print("\n".join(f"  {name:<{width}}  {part.proves}" for name, part in PARTS.items()))
        return len(sys.argv) > 1
    part = PARTS[sys.argv[1]]
    bounded = ["timeout", "--foreground", "--kill-after=10", str(BOUND), *part.command]
    code = subprocess.run(bounded, cwd=ROOT, env=os.environ | part.environment, check=False).returncode
    if code == 124:
        print(f"part {sys.argv[1]} was ended after {BOUND // 60} minutes")
    return code


if __name__ == "__main__":
    sys.exit(main())
