"""SELinux for real: what it refuses to QEMU, what the plan mends, and the mode over reboots."""

import re

import pytest

import kvmkit as kk
from kvmkit.commands import Result
from kvmkit.vm.describe import LOGS
from tests.acceptance.guest import wait_for_guest
from tests.vhost.host import VirtualHost

FOLDER = "/srv/vms"
WRONG = "unconfined_u:object_r:var_t:s0"
DOMAIN = """<domain type='kvm'>
  <name>{name}</name><memory unit='MiB'>256</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{host.kernel}</kernel><initrd>{host.initrd}</initrd><cmdline>console=ttyS0 quiet</cmdline>
  </os>
  <cpu mode='host-passthrough'/>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='{folder}/{name}.qcow2'>{seclabel}</source>
      <target dev='vda' bus='virtio'/>
    </disk>
    <serial type='pty'><log file='{logs}/{name}-console.log'/></serial>
  </devices>
</domain>"""
AS_IT_IS = "<seclabel model='selinux' relabel='no'/>"
"""libvirt is to leave the disk's label alone, as for a disk that several hosts use."""


def run(host: kk.Host, *argv: str) -> str:
    """Run a command; semanage alone takes half a minute on a busy emulated machine."""
    return host.run(argv, timeout=600).stdout


def start(vhost: VirtualHost, name: str, *options: str, seclabel: str = "") -> Result:
    """Start a VM on a disk in that folder, by libvirt alone."""
    xml = DOMAIN.format(name=name, host=vhost, folder=FOLDER, seclabel=seclabel, logs=LOGS)
    create = ["virsh", "create", *options, "/dev/stdin"]
    return kk.connect(vhost.uri).run(create, stdin=xml, timeout=600, ok=False)


def labels(host: kk.Host) -> dict[str, str]:
    said = run(host, "find", FOLDER, "-printf", "%p %Z\n")
    return dict(line.split() for line in said.splitlines())


def rules_and_mode(host: kk.Host) -> list[str]:
    asked = (["semanage", "fcontext", "-l", "-C"], ["cat", "/etc/selinux/config"], ["getenforce"])
    return [run(host, *argv) for argv in asked]


@pytest.fixture
def host(selinux: VirtualHost) -> kk.Host:
    """Give a host with two disks in a folder that the policy knows nothing of."""
    host = kk.connect(selinux.uri)
    run(host, "mkdir", FOLDER)
    for name in ("web1", "web2"):
        run(host, "qemu-img", "create", "-q", "-f", "qcow2", f"{FOLDER}/{name}.qcow2", "64M")
    return host


def test_a_wrong_label_is_refused_to_qemu_until_the_plan_mends_it(
    selinux: VirtualHost, host: kk.Host
) -> None:
    assert run(host, "getenforce") == "Enforcing\n"
    # QEMU has this one's disk all the time, by the label that libvirt gave it.
    assert start(selinux, "web2", "--paused").exit_code == 0
    before = labels(host), rules_and_mode(host)
    assert before[0][f"{FOLDER}/web1.qcow2"] == WRONG
    assert re.match(r"system_u:object_r:svirt_image_t:s0:c\d+", before[0][f"{FOLDER}/web2.qcow2"])

    refused = start(selinux, "web1", seclabel=AS_IT_IS)
    assert refused.exit_code
    assert f"Could not open '{FOLDER}/web1.qcow2': Permission denied" in refused.stderr
    denied = (
        r'avc:  denied .* name="web1.qcow2" .* scontext=system_u:system_r:svirt_t:.* tcontext=\S*:var_t:s0 '
    )
    assert re.search(denied, run(host, "journalctl", "--boot", "--dmesg"))

    plan = kk.plan_selinux(host, kk.SELinuxSpec(folders=FOLDER, label="svirt_image_t"))
    assert [step.action for step in plan.steps] == ["selinux-label"]
    report = kk.apply(plan)
    assert start(selinux, "web1", seclabel=AS_IT_IS).exit_code == 0
    wait_for_guest(host)
    now = labels(host)
    assert now[f"{FOLDER}/web1.qcow2"] == "unconfined_u:object_r:svirt_image_t:s0"
    assert now[f"{FOLDER}/web2.qcow2"] == before[0][f"{FOLDER}/web2.qcow2"]
    assert kk.plan_selinux(host, kk.SELinuxSpec(folders=FOLDER, label="svirt_image_t")).empty

    run(host, "virsh", "destroy", "web1")
    kk.undo(report)
    assert (labels(host), rules_and_mode(host)) == before


def test_permissive_and_back_now_and_at_boot(selinux: VirtualHost, host: kk.Host) -> None:
    before = labels(host), rules_and_mode(host)
    plan = kk.plan_selinux(host, kk.SELinuxSpec(mode="permissive"))
    assert [step.action for step in plan.steps] == ["file-edit", "selinux-mode"]
    assert plan.notes[0].startswith("WARNING: ")

    report = kk.apply(plan)
    assert run(host, "getenforce") == "Permissive\n"
    assert start(selinux, "web1", "--paused", seclabel=AS_IT_IS).exit_code == 0
    # A reboot would wait for it to shut down.
    run(host, "virsh", "destroy", "web1")
    selinux.reboot()
    assert run(host, "getenforce") == "Permissive\n"

    kk.undo(report)
    assert (labels(host), rules_and_mode(host)) == before
    selinux.reboot()
    assert run(host, "getenforce") == "Enforcing\n"
