"""A VM on a real KVM host: it runs under KVM, and goes without a trace."""

import re
from pathlib import Path

import kvmkit as kk
from tests.acceptance.guest import spec, wait_for_guest
from tests.acceptance.runbook import run
from tests.vhost.host import VirtualHost

FOLDERS = ("/etc/apparmor.d/libvirt", "/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt")


def files(host: kk.Host) -> set[str]:
    return set(host.run(["find", *FOLDERS, "-type", "f"]).stdout.splitlines())


def kept_by_libvirt(plan: kk.Plan) -> set[str]:
    """Name what libvirt itself never removes: its log of starts, the profile of AppArmor, a list of MACs."""
    [uuid] = [step.args["uuid"] for step in plan.steps if step.action == "vm-define"]
    return {
        f"/etc/apparmor.d/libvirt/libvirt-{uuid}",
        "/var/lib/libvirt/dnsmasq/virbr0.macs",
        "/var/log/libvirt/qemu/web1.log",
    }


def test_a_vm_runs_under_kvm_and_leaves_nothing(ready: VirtualHost, tmp_path: Path) -> None:
    host = kk.connect(ready.uri)
    before = files(host)
    plan = kk.plan_vm(host, spec(ready))
    assert "runs as kvm: the processor shows svm and libvirt-qemu can use /dev/kvm" in plan.notes

    assert kk.apply(plan).ok
    asked = ["virsh", "qemu-monitor-command", "web1", "--hmp", "info kvm"]
    assert host.run(asked).stdout.strip() == "kvm support: enabled"
    wait_for_guest(host)

    assert re.search(r"list the VMs +50-manage-vms +1 VM", run("00-menu", tmp_path, uri=ready.uri))
    run(
        "50-manage-vms",
        tmp_path,
        uri=ready.uri,
        vm_name="web1",
        confirm=kk.plan_undefine(host, "web1", delete_storage=True).id,
    )
    assert kk.vms(host).empty
    assert kk.volumes(host).empty
    assert files(host) - before == kept_by_libvirt(plan)
