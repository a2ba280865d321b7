"""Measures kvmkit against the bounds that it promises: `make bench`, or `python -m tests.bench [PART ...]`.

Needs what the lab needs. Exit code 1 if a bound is broken; `--write` renews docs/benchmarks.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from tests.bench import bridge, check, imports, stale
from tests.bench.measure import Row, table
from tests.bench.stale import ROOT, mark
from tests.lab.lab import Lab

TEXT = """# Benchmarks

What `make bench` measured in one run on one machine. It is the ratios that count; the medians tell how that
machine is. The two sides of a row take turns, so that whatever else the machine does weighs on both. The host
is a real libvirtd, with QEMU emulating where the machine has no KVM.

{table}

- The 1,000 VMs are off. `virsh` and `virt-install` are whole processes; kvmkit's side runs in a Python that
  has imported it, as a notebook's kernel has. What `getAllDomainStats` takes, no
  list of VMs can save.
- libvirt's calls are `createXML` of the volume, `defineXML` and `create`, with the XML of kvmkit's own plan,
  on an open connection; `virt-install` is the command line that the plan shows. All of them start QEMU.
- A round trip is a command over SSH, a libvirt connection opened, or a message of libvirt's on that
  connection. Each check is a first contact, and so is `ssh HOST true`.
- A bridge: the longest time for which the host does not answer a client in another subnet, who asks every
  2 ms; what is shorter than 5 ms does not count. Beside it stand the backend's own commands, run on the host
  by one shell and watched until the network is what kvmkit verifies: what they cost, nobody can save.
  Packets lost are the most of all rounds.
- The dependencies of `import kvmkit` are the imports that its modules make of other projects' modules. A name
  of kvmkit is imported when it is first used; `from kvmkit import *` uses them all.

{mark}
"""


def main() -> int:
    """Measure all, print the table; 1 if a bound is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="measure all, and write docs/benchmarks.md")
    what.add_argument(
        "--smoke", action="store_true", help="run each part once, with few VMs: nothing is judged"
    )
    # Not by `choices`: before Python 3.12 argparse demands that no part at all be one of them.
    parser.add_argument("part", nargs="*", help=f"all of them unless some are named: {', '.join(PARTS)}")
    args = parser.parse_args()
    if unknown := set(args.part) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if args.write and args.part:
        parser.error("the page shows one run of all parts")
    if reason := Lab.unavailable():
        sys.exit(f"nothing measured: {reason}")
    rows = _measured(args.part or PARTS, smoke=args.smoke)
    _say(table(rows))
    if args.smoke:
        _say("Every part runs. One round measures nothing, so nothing is held to its bound.")
    if args.write:
        stale.PAGE.write_text(TEXT.format(table=table(rows), mark=mark()), encoding="utf-8")
    return int(not all(row.holds for row in rows))


def _measured(parts: Iterable[str], *, smoke: bool) -> list[Row]:
    """Measure these parts, and tell how long each takes."""
    rows: list[Row] = []
    first = time.monotonic()
    for part in parts:
        start = time.monotonic()
        rows += PARTS[part](smoke=smoke)
        _say(f"{part}: measured in {time.monotonic() - start:.0f} s")
    _say(f"all of it: {time.monotonic() - first:.0f} s\n")
    return [replace(row, bound=None) for row in rows] if smoke else rows


def _lab(*, smoke: bool) -> list[Row]:
    with Lab() as lab:
        rounds = 1 if smoke else check.ROUNDS
        return [*_inside(lab, smoke=smoke), *check.run(lab.ssh_uri, lab.ssh_command, rounds)]


def _inside(lab: Lab, *, smoke: bool) -> list[Row]:
    virsh = ["chroot", str(lab.path("/")), "virsh"]
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    size = "smoke" if smoke else "whole"
    # The journal on the disk, and not in a /tmp that may be memory: waiting for the disk is part of applying.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=build) as state:
        done = subprocess.run(
            lab.local([sys.executable, "-m", "tests.bench.inside", size, *virsh]),
            env=os.environ | {"XDG_STATE_HOME": state},
            stdout=subprocess.PIPE,
            check=True,
        )
    return [Row(**row) for row in json.loads(done.stdout)]


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (it talks to a person at a terminal)


PARTS: dict[str, Callable[..., list[Row]]] = {"lab": _lab, "imports": imports.rows, "bridge": bridge.rows}

if __name__ == "__main__":
    sys.exit(main())
