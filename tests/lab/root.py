"""The Debian root folder that holds every daemon the tests need; `python -m tests.lab.root` builds it."""

from pathlib import Path

from tests.lab import debian, guest
from tests.lab.cache import build_once, cache, digest

PACKAGES = (
    *("systemd-sysv", "dbus", "udev", "kmod", "procps"),
    *("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils", "ovmf"),
    *("dnsmasq-base", "iptables", "iproute2", "iputils-ping", "openssh-server"),
    *("network-manager", "ifupdown", "isc-dhcp-client", "netplan.io", "bridge-utils"),
    # What guests boot. Not the cloud kernel: it lacks AHCI, and so the CD drive of a q35 machine.
    *("linux-image-amd64", "busybox-static", "cpio", "zstd", "grub-rescue-pc"),
)

# Debian makes an initial RAM disk for each kernel, which nothing here boots: a small one is made sooner.
FILES = {"etc/initramfs-tools/conf.d/small": "MODULES=list\n"}


def path() -> Path:
    """Where the root of this recipe is, built or not."""
    recipe: tuple[Path | str, ...] = (
        debian.SUITE,
        Path(__file__),
        Path(debian.__file__),
        Path(guest.__file__),
        *sorted(guest.FILES.iterdir()),
    )
    return cache("lab") / digest(*recipe)


def build() -> Path:
    """Make the root unless it is there, about a minute and a half and 1 GB; needs root and the mirror."""
    return build_once(path(), _make)


def _make(root: Path) -> None:
    debian.bootstrap(root, PACKAGES, files=FILES)
    guest.install(root)


if __name__ == "__main__":
    print(build())  # noqa: T201 (it talks to a person at a terminal)
