"""20-prepare-host unattended on a real libvirt over SSH: from gate to gate, and back."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kvmkit as kk
from tests.lab.lab import Lab

NOTEBOOK = Path(__file__).resolve().parents[3] / "notebooks/20-prepare-host.ipynb"
CONF = "/etc/libvirt/qemu.conf"
ROWS = ("qemu.conf: vnc_listen", "qemu.conf: user and group", "default pool and network")


def run(host: kk.Host, folder: Path, confirm: list[str]) -> str:
    """Run it; the id of the plan that it stops at, empty if it comes to its end."""
    parameters = json.dumps({"uri": host.uri, "confirm": confirm})  # JSON is YAML, too
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "papermill",
            "--no-progress-bar",
            "-y",
            parameters,
            str(NOTEBOOK),
            "done.ipynb",
        ],
        env=os.environ | {"IPYTHONDIR": str(folder / "ipython")},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    stopped = re.search(r"NotApplied: plan (\w+) .*then run again with confirm='\1'", done.stderr)
    assert (done.returncode == 0) == (stopped is None), done.stderr
    return stopped[1] if stopped else ""


def statuses(host: kk.Host) -> list[str]:
    found = {row.check: str(row.status) for row in kk.check_host(host).checks}
    return [found[name] for name in ROWS]


@pytest.fixture
def unsafe(debian: Lab) -> Iterator[bytes]:
    """Set what the article sets, and stop the default pool; gives qemu.conf as it is then."""
    path = debian.path(CONF)
    before = path.read_bytes()
    path.write_bytes(before + b'\nvnc_listen = "0.0.0.0"\nuser = "root"\n')
    debian.run(["virsh", "pool-destroy", "default"])
    yield path.read_bytes()
    path.write_bytes(before)
    debian.run(["virsh", "pool-start", "default"])


def test_each_stage_waits_for_its_own_plan_and_undo_gives_all_back(
    debian: Lab, host: kk.Host, unsafe: bytes, tmp_path: Path
) -> None:
    assert statuses(host) == ["WARN", "WARN", "WARN"]

    defaults = run(host, tmp_path, [])
    assert kk.history(host).empty
    qemu_conf = run(host, tmp_path, ["p000000000", defaults])
    assert statuses(host) == ["WARN", "WARN", "PASS"]
    assert run(host, tmp_path, [qemu_conf]) == ""

    assert statuses(host) == ["PASS", "PASS", "PASS"]
    assert list(kk.history(host)["plan"]) == [defaults, qemu_conf]
    kk.undo(host, qemu_conf)
    kk.undo(host, defaults)
    assert statuses(host) == ["WARN", "WARN", "WARN"]
    assert debian.path(CONF).read_bytes() == unsafe
