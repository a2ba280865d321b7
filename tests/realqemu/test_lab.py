"""The lab gives what the other tests rely on: it is a KVM host, and it leaves nothing behind."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import libvirt
import pytest
from PIL import Image

from tests.lab.lab import Lab
from tests.lab.waiting import wait_until
from tests.realqemu.screen import shows_a_menu, shows_text

READY = "kvmkit guest ready"
CD = """<disk type='{type}' device='cdrom'>
  <driver name='qemu' type='raw'/>{source}<target dev='sda' bus='sata'/><readonly/>
</disk>"""
GUEST = """<domain type='qemu'>
  <name>{name}</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>{boot}</os>
  <features><acpi/></features>
  <devices>
    {cd}
    <interface type='network'><source network='default'/><model type='virtio'/></interface>
    <serial type='pty'><log file='/var/log/libvirt/qemu/{name}-serial.log'/></serial>
    <graphics type='vnc'/><video><model type='vga'/></video>
  </devices>
</domain>"""
KERNEL = f"""<kernel>{Lab.kernel}</kernel><initrd>{Lab.initrd}</initrd>
<cmdline>console=tty0 console=ttyS0</cmdline>"""
EMPTY_CD = CD.format(type="file", source="")
ISO_CD = CD.format(type="file", source=f"<source file='{Lab.iso}'/>")

ASK = """
import sys, libvirt
conn = libvirt.open("qemu:///system")
print(conn.getHostname(), *(pool.name() for pool in conn.listAllStoragePools()))
"""
OWNER = f"""
import sys, libvirt
from tests.lab.lab import Lab
with Lab() as lab:
    conn = libvirt.open(lab.ssh_uri)
    conn.createXML({GUEST.format(name="orphan", boot=KERNEL, cd="")!r})
    print(lab.path("/"), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def conn(lab: Lab) -> Iterator[libvirt.virConnect]:
    with contextlib.closing(libvirt.open(lab.ssh_uri)) as conn:
        yield conn


@pytest.fixture
def run_guest(conn: libvirt.virConnect) -> Iterator[Callable[..., libvirt.virDomain]]:
    """Start a transient guest, destroyed afterwards if it still runs."""
    started = []

    def run(name: str, boot: str, cd: str) -> libvirt.virDomain:
        started.append(conn.createXML(GUEST.format(name=name, boot=boot, cd=cd)))
        return started[-1]

    yield run
    for domain in started:
        with contextlib.suppress(libvirt.libvirtError):  # it has shut down, as it had to
            domain.destroy()


def serial_log(lab: Lab, name: str) -> str:
    return lab.path(f"/var/log/libvirt/qemu/{name}-serial.log").read_text(errors="replace")


def screenshot(domain: libvirt.virDomain) -> Image.Image:
    stream = domain.connect().newStream()
    domain.screenshot(stream, 0)
    data = io.BytesIO()
    stream.recvAll(lambda _stream, chunk, out: out.write(chunk), data)
    stream.finish()
    return Image.open(data)


def is_running(conn: libvirt.virConnect, name: str) -> bool:
    return name in [domain.name() for domain in conn.listAllDomains()]


def test_libvirtd_answers_over_ssh(conn: libvirt.virConnect) -> None:
    assert conn.getHostname() == "lab"
    assert conn.storagePoolLookupByName("default").isActive()
    assert conn.networkLookupByName("default").isActive()


def test_plain_ssh_commands_reach_the_lab(lab: Lab) -> None:
    done = subprocess.run(
        [lab.ssh_command, "lab", "hostname"], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "lab\n"


def test_local_clients_find_the_lab_and_its_files(lab: Lab, tmp_path: Path) -> None:
    before = [os.path.lexists(path) for path in ("/etc/libvirt", "/var/lib/libvirt", "/run/libvirt")]
    script = f"{sys.executable} -c '{ASK}' && pwd && stat -c %s {lab.kernel}"
    done = subprocess.run(
        lab.local(["sh", "-c", script]), cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
    )
    size = lab.path(lab.kernel).stat().st_size
    assert done.stdout.splitlines() == ["lab default", str(tmp_path), str(size)]
    after = [os.path.lexists(path) for path in ("/etc/libvirt", "/var/lib/libvirt", "/run/libvirt")]
    assert before == after


def test_a_guest_boots_sees_the_cd_and_powers_off(
    lab: Lab, conn: libvirt.virConnect, run_guest: Callable[..., libvirt.virDomain]
) -> None:
    guest = run_guest("linux", KERNEL, EMPTY_CD)
    wait_until(lambda: READY in serial_log(lab, "linux"), "the guest's line in its serial log")
    wait_until(lambda: shows_text(screenshot(guest)), "text on the guest's screen")
    wait_until(lambda: "kvmkit guest address: 192.168.122." in serial_log(lab, "linux"), "a lease")

    guest.updateDeviceFlags(ISO_CD)
    wait_until(lambda: "kvmkit guest CD: ISOIMAGE" in serial_log(lab, "linux"), "the CD in the guest")
    guest.updateDeviceFlags(EMPTY_CD)
    wait_until(lambda: "kvmkit guest CD: none" in serial_log(lab, "linux"), "the guest without the CD")

    guest.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
    wait_until(lambda: not is_running(conn, "linux"), "the guest off after its power button")
    assert "kvmkit guest powering off" in serial_log(lab, "linux")


def test_the_iso_boots(lab: Lab, run_guest: Callable[..., libvirt.virDomain]) -> None:
    guest = run_guest("rescue", "<boot dev='cdrom'/>", ISO_CD)
    wait_until(lambda: shows_a_menu(screenshot(guest)), "GRUB's menu on the screen")


def test_guests_survive_a_restart_of_libvirtd(lab: Lab, run_guest: Callable[..., libvirt.virDomain]) -> None:
    number = run_guest("survivor", KERNEL, EMPTY_CD).ID()
    wait_until(lambda: READY in serial_log(lab, "survivor"), "the guest's line in its serial log")
    lab.restart_libvirtd()
    with contextlib.closing(libvirt.open(lab.ssh_uri)) as conn:
        survivor = conn.lookupByName("survivor")
        assert survivor.isActive()
        assert survivor.ID() == number
        survivor.destroy()


def test_a_second_lab_is_apart_and_stops_without_a_trace(lab: Lab, conn: libvirt.virConnect) -> None:
    with Lab() as second:
        namespace = second.path("/").parent.joinpath("ns/pid").readlink()
        files = Path(second.ssh_command).parent
        with contextlib.closing(libvirt.open(second.ssh_uri)) as other:
            other.storagePoolLookupByName("default").destroy()
        assert processes_in(namespace)
    assert conn.storagePoolLookupByName("default").isActive()
    assert processes_in(namespace) == []
    assert not files.exists()


def test_a_killed_owner_leaves_no_process(lab: Lab) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        root = Path(owner.stdout.readline().strip())
        namespace = root.parent.joinpath("ns/pid").readlink()
        assert any("qemu" in name for name in processes_in(namespace))
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not processes_in(namespace), "every process of the lab gone")


def processes_in(namespace: Path) -> list[str]:
    names = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if (process / "ns/pid").readlink() == namespace:
                names.append((process / "comm").read_text().strip())
    return names
