"""Each part of `make bench` runs. What it measures is not looked at: that is for an idle machine."""

import pytest

from tests import written
from tests.bench.__main__ import PARTS
from tests.lab.lab import Lab


def test_every_part_of_the_benchmarks_runs() -> None:
    if reason := Lab.unavailable():
        pytest.skip(f"no lab: {reason}")
    done = written.run("make bench", "BENCH_ARGS=--smoke", timeout=600)

    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{part}: measured in " in done.stdout for part in PARTS)
    assert "| `kk.vms(host)`, 20 VMs " in done.stdout
    assert "nothing is held to its bound" in done.stdout
