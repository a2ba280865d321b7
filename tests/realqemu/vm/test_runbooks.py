"""The runbooks that make, use and delete a VM, run unattended on real QEMU."""

import base64
import contextlib
import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import libvirt
import nbformat
import pytest
from PIL import Image

import kvmkit as kk
from kvmkit.events import run_event_loop
from tests.lab.waiting import wait_until
from tests.realqemu.runbook import NOTEBOOKS, URI, Runbook, text_of
from tests.realqemu.screen import shows_text
from tests.realqemu.vm.world import CONSOLE, READY, World

READING = ("00-menu", "01-how-kvm-works", "10-check-host")
"""Runbooks that only look."""
STOPS = dict.fromkeys(("02-life-of-a-vm", "40-create-vm", "50-manage-vms"), "NotApplied") | {
    "20-prepare-host": "CommandFailed",  # apt finds no server here
    "30-bridge": "InvalidSpec",  # there is no card eth0
    "41-unattended-install": "BadSource",  # nor a server with an installer
}
"""The errors with which runbooks stop when nobody confirms their plans."""
VERBS = ["suspend", "resume", "shutdown", "start"]


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
    manage = Runbook(world.lab, tmp_path, "50-manage-vms", vm_name="web1")

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

    managed = text_of(manage.run(confirm=plan_id))
    assert READY in managed
    assert "delete VM web1 on qemu:///system: 2 PASS" in managed
    assert world.state() == before
    assert kk.pending(kk.connect(URI)) == []
    plans = kk.history(kk.connect(URI)).query("plan != ''")
    assert list(plans["state"]) == ["done", "done"]


def stopped_at(name: str, uri: str, /, **parameters: Any) -> str:
    """Run a runbook to a plan that is not confirmed; give the plan's id."""
    with pytest.raises(kk.RunFailed) as failed:
        kk.run_runbook(name, uri, **parameters)
    found = re.search(r"NotApplied: plan (p[0-9a-f]+) ", str(failed.value))
    assert found, str(failed.value)
    return found[1]


def test_the_life_of_a_vm(world: World) -> None:
    before = world.state()
    life: dict[str, Any] = {"kernel": world.lab.kernel, "initrd": world.lab.initrd, "kernel_args": CONSOLE}
    life |= {"boot_text": READY, "boot_seconds": 180, "shutdown_seconds": 120}
    page, uri = "02-life-of-a-vm", world.host.uri

    create = stopped_at(page, uri, **life)
    assert world.state() == before

    delete = stopped_at(page, uri, confirm=create, **life)
    assert list(kk.vms(world.host).index) == ["tour"]
    told = [what.removesuffix(" VM tour") for what in kk.history(world.host)["what"]]
    assert [what for what in told if what in VERBS] == VERBS

    ended = nbformat.read(kk.run_runbook(page, uri, confirm=[create, delete], **life).notebook, as_version=4)
    assert "delete VM tour" in text_of([out for cell in ended.cells for out in cell.get("outputs", ())])
    assert world.state() == before


def test_a_page_only_reads_until_somebody_consents(world: World, tmp_path: Path) -> None:
    """Every runbook, from top to bottom, on a host that runs the VM of somebody else."""
    world.define("demo", world.volume("demo.qcow2"))
    kk.start(world.host, "demo")
    world.define("theirs", world.volume("theirs.qcow2"))
    pages = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    with changes(world) as told:
        before = world.state()
        with ThreadPoolExecutor(2) as pool:
            ends = pool.map(lambda name: Runbook(world.lab, tmp_path / name, name).stops_with(), pages)
            stops = dict(zip(pages, ends, strict=True))
        assert world.state() == before
        with world.host.changing("suspend demo") as connection:
            connection.lookupByName("demo").suspend()
        wait_until(lambda: told, "the event of the change above")

    assert told == [("demo", libvirt.VIR_DOMAIN_EVENT_SUSPENDED)]
    assert {name: error for name, error in stops.items() if error} == STOPS


@contextlib.contextmanager
def changes(world: World) -> Iterator[list[tuple[str, int]]]:
    """Give what libvirt tells meanwhile of VMs that are defined, started, stopped and the like."""
    told: list[tuple[str, int]] = []
    run_event_loop()
    with contextlib.closing(libvirt.open(world.lab.ssh_uri)) as connection:
        number = connection.domainEventRegisterAny(
            None,
            libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
            lambda _connection, domain, event, _detail, _given: told.append((domain.name(), event)),
            None,
        )
        yield told
        connection.domainEventDeregisterAny(number)
