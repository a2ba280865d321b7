"""Measures kvmkit against the bounds that it promises: `make bench`, or `python -m tests.bench [PART ...]`.

Needs what the lab needs. Exit code 1 if a bound is broken; `--write` renews docs/benchmarks.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench import bridge, check, imports
from tests.bench.measure import Row, table
from tests.lab.lab import Lab

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
TEXT = """# Benchmarks

What `make bench` measured in one run on one machine. It is the ratios that count; the medians tell how that
machine is. The two sides of a row take turns, so that whatever else the machine does weighs on both. The host
is a real libvirtd, with QEMU emulating where the machine has no KVM.

{table}

- The 1,000 VMs are off. `virsh` and `virt-install` are whole processes; kvmkit's side runs in a Python that
  has imported it, as a notebook's kernel has.
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
"""


def main() -> int:
    """Measure all, print the table; 1 if a bound is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("part", nargs="*", choices=PARTS, help="all of them unless some are named")
    args = parser.parse_args()
    if args.write and args.part:
        parser.error("the page shows one run of all parts")
    if reason := Lab.unavailable():
        sys.exit(f"nothing measured: {reason}")
    rows = [row for part in args.part or PARTS for row in PARTS[part]()]
    print(table(rows))  # noqa: T201 (it talks to a person at a terminal)
    if args.write:
        PAGE.write_text(TEXT.format(table=table(rows)), encoding="utf-8")
    return int(not all(row.holds for row in rows))


def _lab() -> list[Row]:
    with Lab() as lab:
        return [*_inside(lab), *check.run(lab.ssh_uri, lab.ssh_command)]


def _inside(lab: Lab) -> list[Row]:
    virsh = ["chroot", str(lab.path("/")), "virsh"]
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    # The journal on the disk, and not in a /tmp that may be memory: waiting for the disk is part of applying.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=build) as state:
        done = subprocess.run(
            lab.local([sys.executable, "-m", "tests.bench.inside", *virsh]),
            env=os.environ | {"XDG_STATE_HOME": state},
            stdout=subprocess.PIPE,
            check=True,
        )
    return [Row(**row) for row in json.loads(done.stdout)]


PARTS = {"lab": _lab, "imports": imports.rows, "bridge": bridge.rows}

if __name__ == "__main__":
    sys.exit(main())
