"""The runbook that installs a system, on a virtual KVM host: from a cloud image to a login, under KVM."""

import subprocess
from pathlib import Path

import kvmkit as kk
from tests.lab import cloud
from tests.lab.ssh import make_key
from tests.lab.waiting import wait_until
from tests.vhost.host import NAME, VirtualHost

IMAGE = "/var/lib/libvirt/images/cloud.qcow2"
KEY = "/root/guest-key"
BOOT = 3600
"""A bound, in seconds; such a guest boots for the first time within four minutes on idle processors."""


def send(vhost: VirtualHost, file: Path, path: str) -> None:
    """Put a file on the host."""
    with file.open("rb") as given:
        command = [vhost.ssh_command, NAME, f"cat >{path}"]
        subprocess.run(command, stdin=given, check=True, timeout=1800)


def test_a_cloud_image_is_made_a_vm_that_is_logged_in_to(ready: VirtualHost, tmp_path: Path) -> None:
    host = kk.connect(ready.uri)
    public = make_key(tmp_path / "key").strip()
    send(ready, tmp_path / "key", KEY)
    ready.run(["chmod", "600", KEY])
    send(ready, cloud.build(), IMAGE)
    ready.run(["virsh", "pool-refresh", "default"])
    before = set(kk.volumes(host).index)
    wanted = kk.VMSpec(name="web1", image="cloud.qcow2", disk_gib=4, memory_mib=768)
    system = kk.InstallSpec(user="me", ssh_keys=public, locale="C.UTF-8", timeout=BOOT)
    plan = kk.plan_vm(host, wanted, system)
    asked = wanted.model_dump(include={"image", "disk_gib", "memory_mib"}) | {"vm_name": wanted.name}
    asked |= system.model_dump(include={"location", "user", "ssh_keys", "locale", "timeout"})

    run = kk.run_runbook("41-unattended-install", ready.uri, confirm=plan.id, **asked)

    assert run.plans == (plan.id,)
    assert f"VM web1 on {ready.uri}: 2 PASS" in run.notebook.read_text(encoding="utf-8")
    assert "runs as kvm" in " ".join(plan.notes)
    address = kk.wait_for(host, "web1", "ssh", BOOT).address
    login = f"ssh -i {KEY} -o BatchMode=yes -o StrictHostKeyChecking=no -o ConnectTimeout=60 me@{address}"
    ask = [*login.split(), "id -un && hostname && systemd-detect-virt"]
    said = wait_until(lambda: ready.run(ask, timeout=300, check=False).stdout, "a login by the key", BOOT)
    assert said.split() == ["me", "web1", "kvm"]
    assert kk.undo(host, plan.id).ok
    assert set(kk.volumes(host).index) == before
    assert kk.vms(host).empty
