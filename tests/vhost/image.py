"""The images of the virtual host; `python -m tests.vhost.image bare` builds one."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab import debian, guest, root
from tests.lab.cache import build_once, cache, digest
from tests.lab.ssh import make_key
from tests.vhost import qemu
from tests.vhost.host import NAME, VirtualHost

DISK_BYTES = 20 * 2**30
"""Its file is sparse."""
SERVER = (
    *(
        "systemd-sysv",
        "libpam-systemd",
        "dbus",
        "udev",
        "kmod",
        "procps",
        "openssh-server",
        "ca-certificates",
    ),
    *("ifupdown", "isc-dhcp-client", "iproute2", "iputils-ping", "apparmor", "linux-image-amd64"),
)
KVM = (
    *("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils", "ovmf", "virtinst"),
    *("dnsmasq-base", "iptables", "bridge-utils"),
)
PACKAGES = {"bare": SERVER, "ready": (*SERVER, *KVM)}
FILES = {
    "etc/hostname": f"{NAME}\n",
    "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {NAME}\n",
    "etc/fstab": "/dev/vda / ext4 errors=remount-ro 0 1\n",
    "etc/network/interfaces": "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n",
    # systemd's bounds are meant for processors of silicon.
    "etc/systemd/system.conf.d/slow.conf": "[Manager]\nDefaultTimeoutStartSec=10min\n",
}
# They would reach for the mirror and hold apt's lock at a time of their own choosing.
MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer")
READY = (
    ("pool-define-as", "default", "--type", "dir", "--target", "/var/lib/libvirt/images"),
    ("pool-autostart", "default"),
    ("pool-start", "default"),
    ("net-autostart", "default"),
    ("net-start", "default"),
)


def path(kind: str) -> Path:
    """Where the image of this recipe is, built or not."""
    machine = (*qemu.MACHINE, *qemu.NETWORK, *qemu.NIC, qemu.KERNEL_ARGS)
    made_by = digest(debian.SUITE, Path(__file__), Path(debian.__file__), *machine, root.path().name)
    return cache("vhost") / f"{kind}-{made_by}"


def build(kind: str) -> Path:
    """Make the image `bare` or `ready` unless it is there; needs root and the mirror.

    It is a folder: the disk of a machine that has booted, that machine's saved memory, its kernel and
    initrd, and the keys of both sides.
    """
    root.build()
    return build_once(path(kind), lambda folder: _make(folder, kind))


def _make(folder: Path, kind: str) -> None:
    system = folder / "root"
    folder.mkdir()
    debian.bootstrap(system, PACKAGES[kind])
    _configure(system, make_key(folder / "key"))
    if kind == "ready":
        shutil.copytree(
            root.build() / guest.BOOT.relative_to("/"),
            system / guest.BOOT.relative_to("/"),
            dirs_exist_ok=True,
        )
    shutil.copyfile(system / "etc/ssh/ssh_host_ed25519_key.pub", folder / "host_key.pub")
    for name in ("vmlinuz", "initrd.img"):
        shutil.copyfile(system / name, folder / name)
    _make_disk(system, folder / "disk")
    shutil.rmtree(system)
    _boot_and_save(folder, kind)


def _configure(system: Path, public_key: str) -> None:
    for name, text in FILES.items():
        (system / name).parent.mkdir(exist_ok=True)
        (system / name).write_text(text)
    (system / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (system / "root/.ssh/authorized_keys").write_text(public_key)
    for unit in MASKED:
        (system / "etc/systemd/system" / unit).symlink_to("/dev/null")


def _make_disk(system: Path, disk: Path) -> None:
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    # All of it now, where zeros are holes; else the machine's kernel writes them while tests run.
    options = ["-E", "lazy_itable_init=0,lazy_journal_init=0"]
    subprocess.run(
        ["mkfs.ext4", "-q", "-F", *options, "-d", system, disk], check=True, timeout=600, capture_output=True
    )


def _boot_and_save(folder: Path, kind: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        machine = VirtualHost(folder, Path(scratch), folder / "disk", "raw")
        try:
            machine.start()
            if kind == "ready":
                for command in READY:
                    machine.run(["virsh", *command])
            machine.save(folder / "memory")
        finally:
            machine.kill()


if __name__ == "__main__":
    print(build(sys.argv[1]))  # noqa: T201 (it talks to a person at a terminal)
