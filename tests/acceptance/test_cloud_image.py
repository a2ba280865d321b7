"""From plan_vm to a login over SSH: three VMs from one cloud image, each with an identity of its own."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import kvmkit as kk
from tests.lab import cloud
from tests.lab.lab import Lab
from tests.lab.ssh import make_key
from tests.lab.waiting import wait_until

IMAGES = "/var/lib/libvirt/images"
KEY = "/root/guest-key"
NAMES = ("web1", "web2", "web3")
BOOT = 1200
"""Seconds in which an emulated system boots for the first time, on a machine that is busy."""
QUIET = """<network>
  <name>quiet</name><bridge name='quiet0'/><ip address='10.77.0.1' prefix='24'/>
</network>"""
NIC = """<interface type='network'>
  <mac address='52:54:00:77:77:77'/><source network='quiet'/><model type='virtio'/>
</interface>"""


@dataclass(frozen=True)
class Scene:
    """The lab with its VMs, and the addresses at which these were first reached."""

    lab: Lab
    host: kk.Host
    addresses: dict[str, str]

    def ssh(self, name: str, *argv: str) -> str:
        """Run a command in a VM by the key that the spec named; again while the guest is not ready for it."""
        login = ["ssh", "-i", KEY, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]
        login += ["-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=10"]
        command = [*login, f"me@{self.addresses[name]}", *argv]

        def said() -> list[str]:
            done = self.lab.run(command, timeout=120, check=False)
            return [] if done.returncode else [done.stdout]

        return wait_until(said, f"{argv} by SSH in {name}", BOOT)[0]


@pytest.fixture(scope="module")
def scene(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Make the first by one run of the runbook and the others beside it."""
    key = tmp_path_factory.mktemp("key") / "key"
    system = kk.InstallSpec(user="me", ssh_keys=make_key(key).strip(), locale="C.UTF-8", timeout=BOOT)
    lab.path(KEY).write_text(key.read_text())
    lab.path(KEY).chmod(0o600)
    shutil.copyfile(cloud.build(), lab.path(f"{IMAGES}/cloud.qcow2"))
    lab.run(["virsh", "pool-refresh", "default"])
    host = kk.connect(lab.ssh_uri)
    before = set(kk.volumes(host).index)
    plans = [kk.plan_vm(host, vm(name), system) for name in NAMES]
    asked = vm(NAMES[0]).model_dump(include={"image", "disk_gib", "memory_mib"}) | {"location": ""}
    asked |= system.model_dump(include={"user", "ssh_keys", "locale", "timeout"})
    run = kk.run_runbook("41-unattended-install", host.uri, vm_name=NAMES[0], confirm=plans[0].id, **asked)
    assert run.plans == (plans[0].id,)
    assert all(kk.apply(plan).ok for plan in plans[1:])
    yield Scene(lab, host, {name: kk.wait_for(host, name, "ssh").address for name in NAMES})
    for plan in reversed(plans):
        assert kk.undo(host, plan.id).ok
    assert set(kk.volumes(host).index) == before


def vm(name: str) -> kk.VMSpec:
    return kk.VMSpec(name=name, image="cloud.qcow2", disk_gib=4, memory_mib=768)


def test_each_is_somebody_of_its_own(scene: Scene) -> None:
    answered = [kk.wait_for(scene.host, name, "agent", BOOT).said for name in NAMES]
    assert all(re.fullmatch(r"qemu-guest-agent [\d.]+", said) for said in answered)
    done = kk.run_in_guest(scene.host, NAMES, ["cloud-init", "status", "--wait", "--long"], BOOT)
    assert list(done["exit_code"]) == [0, 0, 0], done["stdout"].to_dict()
    ids = kk.run_in_guest(scene.host, NAMES, ["cat", "/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub"])

    assert list(ids.index) == list(NAMES)
    assert list(ids["exit_code"]) == [0, 0, 0]
    machines, keys = zip(*(said.split("\n", 1) for said in ids["stdout"]), strict=True)
    assert all(re.fullmatch("[0-9a-f]{32}", machine) for machine in machines)
    assert len(set(machines)) == len(set(keys)) == len(set(scene.addresses.values())) == 3
    for name, machine in zip(NAMES, machines, strict=True):
        assert scene.ssh(name, "cat", "/etc/machine-id").strip() == machine
        assert scene.ssh(name, "id", "-un", "&&", "hostname").split() == ["me", name]
        # The image has 2 GiB; the disk was asked for with 4, and the partition and its file system follow.
        assert int(scene.ssh(name, "df", "--output=size", "--block-size=1M", "/").split()[1]) > 3500


def test_the_answers_are_gone_and_a_reboot_changes_nobody(scene: Scene) -> None:
    assert not [name for name in kk.volumes(scene.host).index if "answers" in name]
    was = scene.ssh("web1", "cat", "/etc/ssh/ssh_host_ed25519_key.pub", "/etc/machine-id")
    boot = scene.ssh("web1", "cat", "/proc/sys/kernel/random/boot_id")

    kk.reboot(scene.host, "web1")

    wait_until(
        lambda: scene.ssh("web1", "cat", "/proc/sys/kernel/random/boot_id") != boot, "web1 is back", BOOT
    )
    assert scene.ssh("web1", "cat", "/etc/ssh/ssh_host_ed25519_key.pub", "/etc/machine-id") == was


def test_commands_run_in_a_guest_as_they_would_elsewhere(scene: Scene) -> None:
    kk.wait_for(scene.host, "web2", "agent", BOOT)

    def run(*argv: str, timeout: float = 300, stdin: bytes = b"") -> tuple[object, ...]:
        [row] = kk.run_in_guest(scene.host, "web2", argv, timeout, stdin).itertuples(index=False)
        return tuple(row)

    odd = "a b;$(c)'\"é"
    assert run("printf", "%s.", odd, "") == ("printf %s. 'a b;$(c)'\"'\"'\"é' ''", 0, f"{odd}..", "")
    assert run("cat", stdin=b"given\n")[1:] == (0, "given\n", "")
    assert run("sh", "-c", "echo no >&2; exit 3")[1:] == (3, "", "no\n")
    assert run("sh", "-c", "kill -9 $$")[1] == -9
    missing = run("no-such-program")
    assert (missing[1], missing[2]) == (127, "")
    assert "no-such-program" in str(missing[3])

    with pytest.raises(
        kk.WaitTimeout, match=r"sleep 9999 has not ended .* VM web2 .* as process \d+"
    ) as late:
        run("sleep", "9999", timeout=1)
    found = re.search(r"as process (\d+)", str(late.value))
    assert found
    assert run("kill", found[1])[1] == 0


def test_a_nic_without_a_lease_is_known_from_the_agent(scene: Scene) -> None:
    with scene.host.changing("plug a card in") as connection:
        network = connection.networkCreateXML(QUIET)
        connection.lookupByName("web3").attachDevice(NIC)
    try:
        by_mac = "n=$(basename $(dirname $(grep -l 52:54:00:77:77:77 /sys/class/net/*/address)))"
        plugged = f"{by_mac} && ip link set $n up && ip address add 10.77.0.7/24 dev $n"
        ask = ["sh", "-c", plugged]

        def there() -> bool:
            return kk.run_in_guest(scene.host, "web3", ask)["exit_code"].tolist() == [0]

        wait_until(there, "the card is there", BOOT)
        known = kk.addresses(scene.host, "web3")
        assert list(known["source"]) == ["lease", "agent"]
        assert known.to_dict("split")["data"][1] == ["52:54:00:77:77:77", "10.77.0.7/24", "agent", 0]
    finally:
        with scene.host.changing("pull the card out") as connection:
            connection.lookupByName("web3").detachDevice(NIC)
            network.destroy()


def test_an_agent_that_may_not_run_commands_says_so(scene: Scene) -> None:
    settings = "[general]\\nblacklist=guest-exec\\n"
    scene.ssh(
        "web3",
        f"sudo mkdir -p /etc/qemu && printf '{settings}' | sudo tee /etc/qemu/qemu-ga.conf"
        " && sudo systemctl restart qemu-guest-agent",
    )
    kk.wait_for(scene.host, "web3", "agent", BOOT)

    with pytest.raises(kk.Unsupported, match=r"VM web3 may not run commands .*guest-exec has been disabled"):
        kk.run_in_guest(scene.host, "web3", ["true"])
