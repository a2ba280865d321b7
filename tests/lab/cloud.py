"""A disk image as clouds have it, of Debian packages: cloud-init, the guest agent, sshd, and no identity.

`python -m tests.lab.cloud` builds it.
"""

import os
import struct
import subprocess
from pathlib import Path

from tests.lab import debian
from tests.lab.cache import build_once, cache, digest

PACKAGES = (
    *("systemd-sysv", "libpam-systemd", "dbus", "udev", "kmod", "procps", "iproute2", "netplan.io"),
    *("cloud-init", "cloud-guest-utils", "e2fsprogs", "sudo", "openssh-server", "qemu-guest-agent"),
    # Not the cloud kernel: it lacks AHCI, and so the CD drive of a q35 machine.
    *("linux-image-amd64", "grub-pc-bin", "zstd"),
)
BOOT = "linux /vmlinuz root=LABEL=root rw console=tty0 console=ttyS0\ninitrd /initrd.img\nboot\n"
FILES = {
    "etc/fstab": "LABEL=root / ext4 errors=remount-ro 0 1\n",
    "boot/grub/grub.cfg": BOOT,
    # Unlike all others that it would make, this key takes an emulated processor no time.
    "etc/cloud/cloud.cfg.d/50_keys.cfg": "ssh_genkeytypes: [ed25519]\n",
    # systemd's bounds are meant for processors of silicon.
    "etc/systemd/system.conf.d/slow.conf": "[Manager]\nDefaultTimeoutStartSec=10min\n",
    # All that could be needed would take the firmware long to read. cloud-init looks for a CD early on.
    "etc/initramfs-tools/conf.d/small": "MODULES=list\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\nahci\nsr_mod\nisofs\n",
    # systemd makes one of its own where it finds this file empty (machine-id(5)).
    "etc/machine-id": "",
    "etc/hostname": "localhost\n",
}
# They would reach for the mirror and hold apt's lock at a time of their own choosing.
MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "man-db.timer", "e2scrub_all.timer")
IDENTITY = ("etc/ssh/ssh_host_*", "var/lib/dbus/machine-id", "var/lib/systemd/random-seed", "etc/resolv.conf")
GRUB_MODULES = ("biosdisk", "part_msdos", "ext2", "linux", "normal", "configfile", "boot")

SECTOR = 512
FIRST = 2048
"""Sector at which the one partition begins, as fdisk has it."""
SECTORS = 2 * 2**30 // SECTOR
"""Of the disk, which is smaller than those of the VMs: they have to make their partition larger."""


def path() -> Path:
    """Where the image of this recipe is, built or not."""
    return (
        cache("lab") / f"cloud-{digest(debian.SUITE, Path(__file__), Path(debian.__file__))}" / "cloud.qcow2"
    )


def build() -> Path:
    """Make the image unless it is there, about two minutes and 700 MB; needs root and the mirror."""
    build_once(path().parent, _make)
    return path()


def _make(folder: Path) -> None:
    system, disk = folder / "root", folder / "disk"
    folder.mkdir()
    debian.bootstrap(system, PACKAGES)
    _configure(system)
    _make_disk(system, disk)
    _run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, folder / "cloud.qcow2"])
    _run(["rm", "-r", system, disk])


def _configure(system: Path) -> None:
    for name, text in FILES.items():
        (system / name).parent.mkdir(parents=True, exist_ok=True)
        (system / name).write_text(text)
    for unit in MASKED:
        (system / "etc/systemd/system" / unit).symlink_to("/dev/null")
    for pattern in IDENTITY:
        for file in system.glob(pattern):
            file.unlink()
    _run(["chroot", system, "systemctl", "enable", "systemd-networkd"])
    _run(["chroot", system, "update-initramfs", "-u"])
    image = ["--format=i386-pc", "--prefix=(hd0,msdos1)/boot/grub", "--output=/boot/grub/core.img"]
    _run(["chroot", system, "grub-mkimage", *image, *GRUB_MODULES])


def _make_disk(system: Path, disk: Path) -> None:
    with disk.open("wb") as file:
        file.truncate(SECTORS * SECTOR)
    blocks = (SECTORS - FIRST) * SECTOR // 4096
    options = ["-L", "root", "-b", "4096", "-E", f"offset={FIRST * SECTOR},lazy_itable_init=0"]
    _run(["mkfs.ext4", "-q", "-F", *options, "-d", system, disk, str(blocks)])
    # GRUB begins with the first sector, and looks for the rest of itself right behind it.
    boot = (system / "usr/lib/grub/i386-pc/boot.img").read_bytes()[:440]
    core = (system / "boot/grub/core.img").read_bytes()
    assert len(core) <= (FIRST - 1) * SECTOR
    # One bootable Linux partition, told by its sectors alone.
    partition = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", FIRST, SECTORS - FIRST)
    table = bytes(6) + partition + bytes(3 * 16) + b"\x55\xaa"
    with disk.open("r+b") as file:
        file.write(boot + table + core)


def _run(argv: list[str | Path]) -> None:
    done = subprocess.run(
        argv,
        env=os.environ | {"SYSTEMD_OFFLINE": "1", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}: {done.stderr.decode()}")


if __name__ == "__main__":
    print(build())  # noqa: T201 (it talks to a person at a terminal)
