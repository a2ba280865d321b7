"""The tutorial sees a real guest in guest mode and a real VM, which two runs made, as the first one died."""

import json
from pathlib import Path

import pytest

import kvmkit as kk
from tests.acceptance.guest import spec
from tests.practice.dying import end_kernel
from tests.vhost.host import VirtualHost


def outputs(notebook: Path, cell: str) -> str:
    cells = {cell["id"]: cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]}
    found = cells[cell]["outputs"]
    return "".join("".join(out.get("text") or out["data"].get("text/plain", "")) for out in found)


def test_a_run_that_died_goes_on_and_the_tutorial_sees_its_vm(
    ready: VirtualHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, wanted = kk.connect(ready.uri), spec(ready).model_copy(update={"vcpus": 2})
    asked = wanted.model_dump(include={"vcpus", "memory_mib", "disk_gib", "kernel", "initrd", "kernel_args"})
    plan = kk.plan_vm(host, wanted).id
    asked |= {"vm_name": wanted.name, "confirm": plan}

    end_kernel(monkeypatch, tmp_path, 6)  # the VM is defined by then, and not started
    with pytest.raises(kk.RunFailed, match=rf"Half applied: {plan} .create VM {wanted.name}."):
        kk.run_runbook("40-create-vm", ready.uri, **asked)
    assert kk.vms(host).loc[wanted.name, "state"] == "shut off"

    made = kk.run_runbook("40-create-vm", ready.uri, **asked)
    assert made.plans == (plan,)
    assert f"VM {wanted.name} on {ready.uri}: 4 PASS" in outputs(made.notebook, "verify")
    assert kk.pending(host) == []

    seen = kk.run_runbook("01-how-kvm-works", ready.uri).notebook
    assert outputs(seen, "guest").startswith(f"just run on {ready.uri}")
    assert outputs(seen, "guest-said").startswith("4\n")
    process = outputs(seen, "process")
    assert process.startswith(f"VM {wanted.name}, just seen on {ready.uri}")
    for part in ("-accel kvm", "CPU 0/KVM", "CPU 1/KVM", "anon_inode:kvm-vcpu:1"):
        assert part in process
