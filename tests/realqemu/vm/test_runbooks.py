"""The runbooks that make and delete a VM, run unattended on `qemu:///system` itself."""

import base64
import io
import re
from pathlib import Path

from PIL import Image

import kvmkit as kk
from tests.realqemu.runbook import URI, Runbook, text_of
from tests.realqemu.screen import shows_text
from tests.realqemu.vm.world import CONSOLE, READY, World

READING = ("00-menu", "01-how-kvm-works", "10-check-host")
"""Runbooks that only look."""


def test_create_then_manage_then_delete(world: World, tmp_path: Path) -> None:
    before = world.state()
    boot = {"kernel": world.lab.kernel, "initrd": world.lab.initrd, "kernel_args": CONSOLE}
    create = Runbook(
        world.lab,
        tmp_path,
        "40-create-vm",
        memory_mib=256,
        disk_gib=1,
        boot_text=READY,
        boot_seconds=180,
        **boot,
    )
    manage = Runbook(world.lab, tmp_path, "50-manage-vms", vm_name="web1", shutdown_seconds=120)

    plan_id = create.run_to_the_gate()
    assert world.state() == before

    made = create.run(confirm=plan_id)
    assert f"'{READY}' was printed" in text_of(made)
    assert "runs as qemu" in text_of(made) or "runs as kvm" in text_of(made)
    [picture] = [out.data["image/png"] for out in made if "image/png" in out.get("data", {})]
    assert shows_text(Image.open(io.BytesIO(base64.b64decode(picture))))
    assert kk.vms(world.host).loc["web1", "state"] == "running"

    told = {name: text_of(Runbook(world.lab, tmp_path, name).run()) for name in READING}
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
