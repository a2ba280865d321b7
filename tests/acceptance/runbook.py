"""Runbooks as they are, by papermill in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import kvmkit as kk
from tests.acceptance.guest import BOOT_SECONDS, READY, spec
from tests.vhost.host import VirtualHost

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"
SECONDS = 2400
"""A bound; the longest takes five minutes if the processors have nothing else to do: all packages."""


class Stopped(Exception):
    """A runbook did not come to its end; papermill's words."""


def run(name: str, into: Path, **parameters: Any) -> str:
    """Run a runbook to its end and return all that it printed and displayed, as text; raises Stopped."""
    done = into / f"{name}.ipynb"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", f"{NOTEBOOKS / name}.ipynb", str(done)]
    ran = subprocess.run(
        # JSON is YAML, too.
        [*command, "--kernel", "python3", "-y", json.dumps(parameters)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if ran.returncode:
        raise Stopped(ran.stderr)
    cells = json.loads(done.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    texts = [output.get("text") or output["data"].get("text/plain", "") for output in outputs]
    return "\n".join("".join(text) for text in texts)


def create_vm(vhost: VirtualHost, into: Path) -> None:
    """Create a VM by its runbook, and see that it runs under KVM and that its console answers."""
    host, wanted = kk.connect(vhost.uri), spec(vhost)
    asked = wanted.model_dump(include={"memory_mib", "disk_gib", "kernel", "initrd", "kernel_args"})
    boot = {"boot_text": READY, "boot_seconds": BOOT_SECONDS}
    said = run(
        "40-create-vm",
        into,
        uri=vhost.uri,
        vm_name=wanted.name,
        confirm=kk.plan_vm(host, wanted).id,
        **boot,
        **asked,
    )

    assert f"'{READY}' was printed" in said
    assert kk.vms(host).loc[wanted.name, "state"] == "running"
    asked_qemu = ["virsh", "qemu-monitor-command", wanted.name, "--hmp", "info kvm"]
    assert "kvm support: enabled" in host.run(asked_qemu).stdout
