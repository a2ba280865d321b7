"""Each public function that meets something stuck ends in time, with a message that names it, or answers."""

import contextlib
import inspect
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import kvmkit as kk
from kvmkit import calls, commands
from tests.lab.waiting import wait_until
from tests.realqemu.install.test_guest import keys
from tests.realqemu.vm.faults import Points
from tests.realqemu.vm.world import READY, World

BOUND = 30
"""Seconds that a call may take here, where what is stuck is waited for about three."""
FOLDER = "/var/lib/libvirt/stuck"
DEVICES = """<graphics type='vnc' autoport='yes'/><video><model type='vga'/></video>
<disk type='file' device='cdrom'><source file='/var/lib/libvirt/images/rescue.iso'/>
<target dev='sda' bus='sata'/><readonly/></disk>
<serial type='pty'/><interface type='network'><source network='default'/></interface>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"""

Ask = Callable[[kk.Host], object]
ANSWERS = "^$"
"""For a function that what is stuck does not hold up."""

ON_A_VM: dict[str, Ask] = {
    "addresses": lambda host: kk.addresses(host, "stuck"),
    "autostart": lambda host: kk.autostart(host, "stuck", False),
    "console": lambda host: kk.console(host, "stuck").close(),
    "console_log": lambda host: kk.console_log(host, "stuck"),
    "eject_media": lambda host: kk.eject_media(host, "stuck"),
    "insert_media": lambda host: kk.insert_media(host, "stuck", "rescue.iso"),
    "plan_undefine": lambda host: kk.plan_undefine(host, "stuck"),
    "reboot": lambda host: kk.reboot(host, "stuck"),
    "resume": lambda host: kk.resume(host, "stuck"),
    "run_in_guest": lambda host: kk.run_in_guest(host, "stuck", ["true"]),
    "screen": lambda host: kk.screen(host, "stuck", seconds=5),
    "screenshot": lambda host: kk.screenshot(host, "stuck"),
    "shutdown": lambda host: kk.shutdown(host, "stuck", timeout=3),
    "start": lambda host: kk.start(host, "stuck"),
    "suspend": lambda host: kk.suspend(host, "stuck"),
    "viewer_commands": lambda host: kk.viewer_commands(host, "stuck"),
    "vm_form": lambda host: kk.vm_form(host, "stuck"),
    "wait_for": lambda host: kk.wait_for(host, "stuck", "agent", timeout=3),
    "destroy": lambda host: kk.destroy(host, "stuck"),
}
ON_A_HOST: dict[str, Ask] = {
    "check_host": kk.check_host,
    "check_source": lambda host: kk.check_source(host, "http://127.0.0.1:9/"),
    "form": lambda host: kk.form(kk.VMSpec, host),
    "menu": kk.menu,
    "networks": kk.networks,
    "plan_defaults": kk.plan_defaults,
    "plan_image": lambda host: kk.plan_image(host, kk.ImageSpec(url=__file__)),
    "plan_vm": lambda host: kk.plan_vm(host, kk.VMSpec(name="new", memory_mib=64, disk_gib=1)),
    "pools": kk.pools,
    "topology": kk.topology,
    "vms": kk.vms,
    "volumes": kk.volumes,
}
BY_COMMANDS: dict[str, Ask] = {
    "bridges": kk.bridges,
    "links": kk.links,
    "plan_bridge": lambda host: kk.plan_bridge(host, kk.BridgeSpec(nic="eth0", bridge="br0")),
    "plan_libvirt_group": lambda host: kk.plan_libvirt_group(host, "nobody"),
    "plan_packages": kk.plan_packages,
    "plan_qemu_conf": lambda host: kk.plan_qemu_conf(host, kk.QemuConfSpec(user="root")),
    "plan_repository": lambda host: kk.plan_repository(
        host, kk.RepositorySpec(name="extra", baseurl="http://127.0.0.1:9/")
    ),
    "plan_selinux": lambda host: kk.plan_selinux(host, kk.SELinuxSpec()),
    "plan_service": kk.plan_service,
    "plan_unbridge": lambda host: kk.plan_unbridge(host, "br0"),
    "watch": lambda host: kk.watch(host, seconds=3),
}
ELSEWHERE = {
    "apply": "below, with a plan",
    "undo": "below, with a plan",
    "apply_form": "shows a plan, and calls apply",
    "connect": "asks nothing of the host",
    "fixes": "reads a report",
    "fresh_practice_host": "the practice host alone",
    "history": "reads the journal",
    "pending": "reads the journal",
    "timeline": "reads the journal",
    "run_runbook": "a kernel of its own, in which the functions above run",
}


def test_every_public_function_is_in_the_table() -> None:
    public = {name for name in kk.__all__ if inspect.isroutine(getattr(kk, name))}

    assert {*ON_A_VM, *ON_A_HOST, *BY_COMMANDS, *ELSEWHERE} == public


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is stuck waited for three seconds."""
    monkeypatch.setattr("kvmkit.host.KEEP_ALIVE", (1, 2))
    monkeypatch.setattr("kvmkit.host.OPENING", 3)
    monkeypatch.setattr("kvmkit.host.ASKING", 3)
    monkeypatch.setattr(calls, "SECONDS", 3)
    monkeypatch.setattr(calls, "LONG", {"create": 10, "destroy": 25})
    monkeypatch.setattr(commands, "GRACE", 3)
    monkeypatch.setattr("kvmkit.install.agent.AGENT_SECONDS", 2)
    monkeypatch.setattr("kvmkit.vm.describe.SECONDS", 8)
    run = commands.Ssh.run

    def shortly(self: commands.Ssh, argv: Any, stdin: str, timeout: float, follow: Any = None) -> Any:
        return run(self, argv, stdin, min(timeout, 8), follow)

    monkeypatch.setattr(commands.Ssh, "run", shortly)


def outcomes(host: kk.Host, asked: Mapping[str, Ask]) -> dict[str, str]:
    """Ask all at the same time, and tell what became of each: its error, "" for an answer, or no end."""
    found: dict[str, str] = {}

    def ask(name: str, call: Ask) -> None:
        start = time.monotonic()
        try:
            call(host)
        except kk.KvmkitError as error:
            found[name] = f"{type(error).__name__}: {error}"
        except BaseException as error:  # noqa: BLE001 - told as what it is: no error of ours
            found[name] = f"a bare {error!r}"
        else:
            found[name] = ""
        if time.monotonic() - start > BOUND:
            found[name] = f"after {time.monotonic() - start:.0f} s: {found[name]}"

    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in asked.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + BOUND
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    return {name: found.get(name, "no end") for name in asked}


def wrong(told: Mapping[str, str], expected: Mapping[str, str], otherwise: str) -> dict[str, str]:
    """Give those that neither answered nor said what they had to."""
    return {
        name: said
        for name, said in told.items()
        if not re.search(expected.get(name, otherwise), said, re.DOTALL)
    }


@pytest.fixture
def stuck_vm(world: World) -> Iterator[kk.Host]:
    """A running VM whose QEMU is stopped."""
    world.define("stuck", more=DEVICES)
    world.define("other")
    kk.start(world.host, "stuck")
    number = world.file("/run/libvirt/qemu/stuck.pid").read_text()
    world.lab.run(["kill", "-STOP", number])
    yield world.host
    world.lab.run(["kill", "-CONT", number], check=False)


def test_a_qemu_that_is_stopped(stuck_vm: kk.Host) -> None:
    asked = {**ON_A_VM, **ON_A_HOST}
    destroy = asked.pop("destroy")
    vm = r"^Stuck: VM stuck on .* does not answer: .*QEMU hangs"
    # All are asked at the same time: once libvirt waits for the QEMU, it gives no XML of that VM any more.
    either = ["addresses", "console", "console_log", "plan_undefine", "topology", "viewer_commands"]
    either += ["eject_media", "run_in_guest", "wait_for", "insert_media"]
    other = (
        "WrongState: the guest agent of VM stuck|Unsupported: the console of VM stuck|WaitTimeout: 'agent'"
    )
    expected = {
        **dict.fromkeys(["autostart", "vm_form", *ON_A_HOST], ANSWERS),
        **dict.fromkeys(either, f"{ANSWERS}|{vm}|{other}"),
        "plan_image": "InvalidSpec",
        "start": "WrongState: cannot start VM stuck .* running",
        "resume": "WrongState: cannot resume VM stuck .* running",
        "plan_vm": f"{ANSWERS}|{vm}|Stuck: libvirt on .* does not answer virt-install",
    }

    assert wrong(outcomes(stuck_vm, asked), expected, vm) == {}
    # Many calls were left behind by now, and lists still answer.
    lists: dict[str, Ask] = {name: ON_A_HOST[name] for name in ("vms", "pools", "volumes", "networks")}
    assert wrong(outcomes(stuck_vm, lists), {}, ANSWERS) == {}
    assert kk.vms(stuck_vm).loc["stuck", "state"] == "running"
    assert wrong(outcomes(stuck_vm, {"destroy": destroy}), {}, ANSWERS) == {}
    assert kk.vms(stuck_vm).loc["stuck", "state"] == "shut off"


@pytest.fixture
def stuck_pool(world: World) -> Iterator[kk.Host]:
    """A pool whose folder hangs: a FUSE file system that nobody serves, until the end of a process."""
    world.lab.run(["mkdir", FOLDER])
    world.lab.run(["virsh", "pool-create-as", "stuck", "dir", "--target", FOLDER])
    world.lab.run(["sh", "-c", "[ -e /dev/fuse ] || mknod /dev/fuse c 10 229"])
    mount = "mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0,allow_other hangs " + FOLDER
    world.lab.run(["sh", "-c", f"exec 3<>/dev/fuse; {mount}; sleep 600 & echo $! > /run/hangs"])
    yield world.host
    world.lab.run(["sh", "-c", "kill $(cat /run/hangs)"])
    # What waited for it lets go of it only now.
    wait_until(lambda: not world.lab.run(["umount", FOLDER], check=False).returncode, "a folder in no use")
    world.lab.run(["rmdir", FOLDER])
    world.lab.run(["virsh", "pool-destroy", "stuck"], check=False)


def test_a_pool_whose_folder_hangs(world: World, stuck_pool: kk.Host) -> None:
    refresh = ["timeout", "60", "virsh", "pool-refresh", "stuck"]
    threading.Thread(target=world.lab.run, args=[refresh], kwargs={"check": False}, daemon=True).start()
    seen = "virsh pool-list"
    wait_until(lambda: world.lab.run(["timeout", "1", *seen.split()], check=False).returncode, "a stuck pool")

    names = "^Stuck: (libvirt|pool stuck) on .* does not answer: .*kk.pools|^Stuck: pool stuck"
    expected = dict.fromkeys(("form", "plan_defaults", "plan_image", "plan_vm", "volumes"), names)
    assert wrong(outcomes(stuck_pool, ON_A_HOST), expected, ANSWERS) == {}
    listed = kk.pools(stuck_pool)
    assert list(listed.loc["stuck", ["active", "type", "path"]]) == [True, "dir", FOLDER]
    assert list(listed.index[listed["free_gib"].isna()]) == ["stuck"]
    assert "rescue.iso" in kk.volumes(stuck_pool, "default").index


def test_a_libvirtd_that_is_stopped(world: World, host: kk.Host, small_plan: kk.Plan) -> None:
    world.define("stuck", more=DEVICES)
    report = kk.apply(small_plan)
    asked = {
        **ON_A_VM,
        **ON_A_HOST,
        "apply": lambda _: kk.apply(kk.Plan(uri=host.uri, title="again", steps=small_plan.steps)),
    }
    with world.hanging_libvirtd() as hang:
        hang()
        told = outcomes(host, asked) | outcomes(host, {"undo": lambda _: kk.undo(report)})

    daemon = r"(HostUnavailable|ApplyFailed): .*libvirt does not answer on .* Its daemon hangs"
    answers = dict.fromkeys(("check_host", "check_source", "menu"), ANSWERS)
    assert wrong(told, answers, daemon) == {}
    assert kk.undo(report).ok


def test_an_ssh_that_hangs(tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\nexec sleep 1000\n")
    ssh.chmod(0o755)
    host = kk.connect(f"qemu+ssh://root@lab/system?command={ssh}")

    told = outcomes(host, {**ON_A_VM, **ON_A_HOST, **BY_COMMANDS})

    hangs = "^CommandTimeout: .*qemu.ssh://root@lab.*the machine, or the way to it, hangs"
    assert wrong(told, {"menu": ANSWERS, "watch": f"{ANSWERS}|{hangs}"}, hangs) == {}


def test_an_ssh_that_stops_in_the_middle_of_a_stream(world: World, host: kk.Host, tmp_path: Path) -> None:
    image = tmp_path / "other.iso"
    image.write_bytes(world.file(world.lab.iso).read_bytes())
    plan = kk.plan_image(host, kk.ImageSpec(url=str(image)))
    lines: list[int] = []

    def stop() -> None:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                number, rest = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
                if int(rest[1]) == os.getpid() and "(ssh)" in stat.read_text():
                    os.kill(number, signal.SIGSTOP)
                    lines.append(number)

    try:
        with Points(["after send"], 1, stop):
            told = outcomes(host, {"apply": lambda _: kk.apply(plan)})
    finally:
        for number in lines:
            with contextlib.suppress(ProcessLookupError):  # libvirt has ended it
                os.kill(number, signal.SIGKILL)

    assert lines
    # Over a new connection it can be taken back.
    expected = "^ApplyFailed: .* failed on .*(hangs|keepalive timeout|not answer).*the host is as before"
    assert wrong(told, {}, expected) == {}
    assert kk.pending(host) == []


AGENT = r"""
exec 3<>$(echo /dev/vport*p1)
while read -r asked <&3; do
    case $asked in *guest-sync*) printf '\377{"return":%s}\n' "$(echo "$asked" | tr -dc 0-9)" >&3 ;; esac
done &
echo listening=$((1+1))
"""


def test_an_agent_that_is_silent(world: World, host: kk.Host) -> None:
    kk.apply(kk.plan_vm(host, world.linux(name="stuck", disk_gib=0)))
    world.wait_for("stuck", READY)
    with keys(host, "stuck") as session:
        session.send(f"\n{AGENT}".encode())
        world.wait_for("stuck", "listening=2")
    agent = wait_until(
        lambda: world.xml("stuck").find("devices/channel/target").get("state") == "connected", "its agent"
    )
    assert agent
    names = ("addresses", "run_in_guest", "wait_for")

    told = outcomes(host, {name: ON_A_VM[name] for name in names})

    said = {
        "addresses": ANSWERS,
        "run_in_guest": "(WrongState|Stuck): .*VM stuck on .* does not answer",
        "wait_for": "(WaitTimeout|Stuck): .*VM stuck",
    }
    assert wrong(told, said, "") == {}
    assert wrong(outcomes(host, {"vms": kk.vms}), {}, ANSWERS) == {}
