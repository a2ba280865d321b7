"""Answers reach an installer over http and on a CD, and what it leaves on the disk boots.

The installer is a script in the lab's guest: it brings the answers, prints them, and writes a boot sector.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kvmkit as kk
from tests.lab.ssh import make_key, write_ssh
from tests.realqemu.install import tiny
from tests.realqemu.vm.world import IMAGES, World
from tests.standin.network import in_network_of
from tests.unit.install.servers import http_files
from tests.unit.install.test_deliver import program

GATEWAY = "192.168.122.1"
"""The lab on its default network."""
HOST, CLIENT = "10.88.0.1", "10.88.0.2"
"""The two ends of the line between the lab and another machine."""
LINE = f"""set -e
ip link set lo up
ip link add near type veth peer name far netns "$0"
ip address add {CLIENT}/24 dev near
ip link set near up
"""
# Asked for again, they are not there; and where process 1 ends is a panic.
ASKS = f"""until ip link set eth0 up; do sleep 1; done
until udhcpc -i eth0 -n -q -s /etc/dhcp-lease; do sleep 1; done
ip route add default via {GATEWAY}
url=$(grep -o 'http[^ ]*ks.cfg' /proc/cmdline)
wget -q -O - $url
! wget -q -O - $url || exit 1
"""
LOOKS = """mkdir /cd
for drive in /dev/sr0 /dev/sr1; do
    until [ -b $drive ]; do sleep 1; done
    echo "label: $(dd if=$drive bs=1 skip=32808 count=32)"
    mount -t iso9660 -o ro $drive /cd
    [ -d /cd/boot ] || for file in /cd/*; do echo "file: $file"; cat $file; done
    umount /cd
done
"""
GRUB = f"""set timeout=0
menuentry installer {{
    linux /vmlinuz console=ttyS0 {tiny.SCRIPT}
    initrd /initrd.img
}}
"""


def asked(**fields: object) -> kk.InstallSpec:
    wanted = {"release": "F40", "user": "ann", "password": "not to be seen", "timeout": 600}
    return kk.InstallSpec.model_validate(wanted | fields)


def vm(cdrom: str = "") -> kk.VMSpec:
    return kk.VMSpec(name="small", memory_mib=256, disk_gib=1, cdrom=cdrom)


@contextlib.contextmanager
def on_the_host(world: World, _folder: Path) -> Iterator[kk.Host]:
    """Be on the host itself."""
    with in_network_of(world.lab.number):
        yield world.host


@contextlib.contextmanager
def elsewhere(world: World, folder: Path) -> Iterator[kk.Host]:
    """Be on another machine, from which the host is reached by its network."""
    started = ["unshare", "--net", "sh", "-c", f"{LINE}echo; exec sleep infinity", str(world.lab.number)]
    with subprocess.Popen(started, stdout=subprocess.PIPE) as machine:
        try:
            assert machine.stdout
            assert machine.stdout.readline() == b"\n"
            world.lab.run(["ip", "address", "add", f"{HOST}/24", "dev", "far"])
            world.lab.run(["ip", "link", "set", "far", "up"])
            with in_network_of(machine.pid):
                yield connected(world, folder)
        finally:
            machine.kill()


def connected(world: World, folder: Path) -> kk.Host:
    """Connect as to any host: by its address, which sshd listens at."""
    with world.file("/root/.ssh/authorized_keys").open("a") as known:
        known.write(make_key(folder / "key"))
    host_key = world.file("/etc/ssh/ssh_host_ed25519_key.pub").read_text()
    ssh = write_ssh(folder, "lab", folder / "key", host_key, {"HostName": HOST})
    world.lab.run(["/usr/sbin/sshd", "-o", f"ListenAddress={HOST}"])
    return kk.connect(f"qemu+ssh://root@lab/system?command={ssh}")


@pytest.mark.parametrize(
    ("place", "served", "peer"), [(on_the_host, GATEWAY, "192.168.122."), (elsewhere, CLIENT, HOST)]
)
def test_answers_are_given_once_at_the_address_that_the_guest_sees(
    world: World,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    printed: list[str],
    place: Callable[[World, Path], contextlib.AbstractContextManager[kk.Host]],
    served: str,
    peer: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tiny.script(folder, ASKS)
    before = world.state()
    with place(world, tmp_path) as host, http_files(folder, served) as files:
        wanted = asked(location=files.url(), delivery="http", kernel_args=tiny.SCRIPT)
        report = kk.apply(kk.plan_vm(host, vm(), wanted))

        seen = [row.found for row in report.checks]
        assert [row for row in seen if row.startswith(f"ks.cfg is fetched: {peer}")]
        assert [row for row in seen if row.startswith(f"ks.cfg is refused: {peer}")]
        assert_installed(world, printed[-1], "user --name=ann --groups=wheel --iscrypted")
        assert kk.undo(report).ok
    assert world.state() == before


@pytest.mark.parametrize(
    ("kind", "label", "said"),
    [
        ("kickstart", "OEMDRV", "file: /cd/ks.cfg"),
        ("autoinstall", "cidata", "file: /cd/user-data"),
    ],
)
def test_an_iso_finds_its_answers_on_a_second_cd(
    world: World, folder: Path, tmp_path: Path, printed: list[str], kind: str, label: str, said: str
) -> None:
    tiny.script(folder, LOOKS)
    (folder / "grub.cfg").write_text(GRUB)
    into = ["-indev", str(world.lab.path(world.lab.iso)), "-outdev", str(tmp_path / "installer.iso")]
    files = ["-map", str(folder), "/", "-map", str(folder / "grub.cfg"), "/boot/grub/grub.cfg"]
    made = [program("xorriso"), *into, "-boot_image", "any", "replay", *files]
    subprocess.run(made, capture_output=True, check=True, timeout=120)
    shutil.copyfile(tmp_path / "installer.iso", world.file(f"{IMAGES}/installer.iso"))
    world.lab.run(["virsh", "pool-refresh", "default"])
    before = world.state()

    report = kk.apply(kk.plan_vm(world.host, vm("installer.iso"), asked(answers=kind)))

    assert_installed(world, printed[-1], f"label: {label}", said, "ann")
    assert kk.undo(report).ok
    assert world.state() == before


def assert_installed(world: World, printed: str, *said: str) -> None:
    """The installer saw the answers; the VM boots its disk; nothing of the installer is left."""
    assert all(text in printed for text in said), printed
    assert "not to be seen" not in printed
    assert kk.console_log(world.host, "small").rstrip().endswith("login:")
    xml = world.xml("small", kept=True)
    assert xml.find("os/kernel") is None
    assert xml.findtext("on_reboot") == "restart"
    assert [name for name in kk.volumes(world.host).index if "small" in name] == ["small.qcow2"]
