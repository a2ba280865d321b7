"""The runbooks that make and delete a VM, run unattended on `qemu:///system` itself."""

import base64
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from PIL import Image

import kvmkit as kk
from tests.realqemu.screen import shows_text
from tests.realqemu.vm.world import CONSOLE, READY, World

NOTEBOOKS = Path(__file__).resolve().parents[3] / "notebooks"
URI = "qemu:///system"
READING = ("00-menu", "01-how-kvm-works", "10-check-host")
"""Runbooks that only look."""


class Runbook:
    """Runs of one runbook where this machine's own libvirt is the lab's."""

    def __init__(self, world: World, folder: Path, name: str, **parameters: object) -> None:
        self._world = world
        self._source = NOTEBOOKS / f"{name}.ipynb"
        self._output = folder / f"{name}.ipynb"
        self._parameters = {"uri": URI} | parameters

    def run_to_the_gate(self) -> str:
        """Run it without consent; the plan's id, from the message with which it stops."""
        with pytest.raises(subprocess.CalledProcessError):
            self._run(self._parameters)
        cells = nbformat.read(self._output, as_version=4).cells
        [error] = [out for cell in cells for out in cell.get("outputs", ()) if out.output_type == "error"]
        assert error.ename == "NotApplied"
        found = re.search(r"read the plan, then run again with .*papermill -p confirm (\w+)", error.evalue)
        assert found, error.evalue
        return found[1]

    def run(self, **more: str) -> list[nbformat.NotebookNode]:
        """Run it to its end; all its outputs."""
        self._run(self._parameters | more)
        cells = nbformat.read(self._output, as_version=4).cells
        return [output for cell in cells for output in cell.get("outputs", ())]

    def _run(self, parameters: dict[str, object]) -> None:
        argv = [sys.executable, "-m", "papermill", str(self._source), str(self._output), "--no-progress-bar"]
        for name, value in parameters.items():
            argv += ["-p", name, str(value)]
        subprocess.run(
            self._world.lab.local(argv),
            env=os.environ | {"IPYTHONDIR": str(self._output.parent / "ipython")},
            cwd=self._output.parent,
            capture_output=True,
            check=True,
            timeout=300,
        )


def text_of(outputs: list[nbformat.NotebookNode]) -> str:
    return "\n".join(out.get("text") or out.get("data", {}).get("text/plain", "") for out in outputs)


def test_create_then_manage_then_delete(world: World, tmp_path: Path) -> None:
    before = world.state()
    boot = {"kernel": world.lab.kernel, "initrd": world.lab.initrd, "kernel_args": CONSOLE}
    create = Runbook(
        world, tmp_path, "40-create-vm", memory_mib=256, disk_gib=1, boot_text=READY, boot_seconds=180, **boot
    )
    manage = Runbook(world, tmp_path, "50-manage-vms", vm_name="web1", shutdown_seconds=120)

    plan_id = create.run_to_the_gate()
    assert world.state() == before

    made = create.run(confirm=plan_id)
    assert f"'{READY}' was printed" in text_of(made)
    assert "runs as qemu" in text_of(made) or "runs as kvm" in text_of(made)
    [picture] = [out.data["image/png"] for out in made if "image/png" in out.get("data", {})]
    assert shows_text(Image.open(io.BytesIO(base64.b64decode(picture))))
    assert kk.vms(world.host).loc["web1", "state"] == "running"

    told = {name: text_of(Runbook(world, tmp_path, name).run()) for name in READING}
    assert re.search(r"list the VMs +50-manage-vms +1 VM", told["00-menu"])
    assert "qemu-system-x86_64" in told["01-how-kvm-works"]
    assert f"{URI} is" in told["10-check-host"]

    plan_id = manage.run_to_the_gate()
    assert kk.vms(world.host).loc["web1", "state"] == "running"
    world.wait_for("web1", READY)  # else nobody in it hears the power button

    managed = text_of(manage.run(confirm=plan_id))
    assert "rescue.iso is in the drive, and VM web1 is running" in managed
    assert "and out again" in managed
    assert "delete VM web1 on qemu:///system: 2 PASS" in managed
    assert world.state() == before
    assert kk.pending(kk.connect(URI)) == []
    plans = kk.history(kk.connect(URI)).query("plan != ''")
    assert list(plans["state"]) == ["done", "done"]
