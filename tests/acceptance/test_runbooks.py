"""The runbooks as they are, by papermill over SSH, on a real KVM host."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import kvmkit as kk
from tests.acceptance.guest import BOOT_SECONDS, READY, spec
from tests.vhost.host import VirtualHost

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"


def run(name: str, into: Path, **parameters: Any) -> str:
    """Run a runbook to its end and return all that it printed and displayed, as text."""
    done = into / f"{name}.ipynb"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", f"{NOTEBOOKS / name}.ipynb", str(done)]
    ran = subprocess.run(
        # JSON is YAML, too.
        [*command, "--kernel", "python3", "-y", json.dumps(parameters)],
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    cells = json.loads(done.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    texts = [output.get("text") or output["data"].get("text/plain", "") for output in outputs]
    return "\n".join("".join(text) for text in texts)


def test_check_host_finds_the_host_ready(ready: VirtualHost, tmp_path: Path) -> None:
    assert f"{ready.uri} is ready" in run("10-check-host", tmp_path, uri=ready.uri)


def test_create_vm_runs_one_under_kvm(ready: VirtualHost, tmp_path: Path) -> None:
    host, wanted = kk.connect(ready.uri), spec(ready)
    asked = wanted.model_dump(include={"memory_mib", "disk_gib", "kernel", "initrd", "kernel_args"})
    said = run(
        "40-create-vm",
        tmp_path,
        uri=ready.uri,
        vm_name=wanted.name,
        confirm=kk.plan_vm(host, wanted).id,
        boot_text=READY,
        boot_seconds=BOOT_SECONDS,
        **asked,
    )

    assert f"'{READY}' was printed" in said
    assert kk.vms(host).loc[wanted.name, "state"] == "running"
    assert (
        "kvm support: enabled"
        in host.run(["virsh", "qemu-monitor-command", wanted.name, "--hmp", "info kvm"]).stdout
    )
