"""The Debian root folder that holds every daemon the tests need; `python -m tests.lab.root` builds it."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from tests.lab import guest

SUITE = "bookworm"
PACKAGES = (
    *("systemd-sysv", "dbus", "udev", "kmod", "procps"),
    *("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils", "ovmf"),
    *("dnsmasq-base", "iptables", "iproute2", "iputils-ping", "openssh-server"),
    *("network-manager", "ifupdown", "netplan.io", "bridge-utils"),
    # What guests boot. Not the cloud kernel: it lacks AHCI, and so the CD drive of a q35 machine.
    *("linux-image-amd64", "busybox-static", "cpio", "grub-rescue-pc"),
)
COMMANDS = ("mmdebstrap", "setpriv", "unshare", "chroot")
"""What building takes."""


def cache() -> Path:
    """Where roots are kept, outside the repository."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kvmkit" / "lab"


def path() -> Path:
    """Where the root of this recipe is, built or not. Its name changes whenever the recipe does."""
    digest = hashlib.sha256()
    for part in (Path(__file__), Path(guest.__file__), *sorted(guest.FILES.iterdir())):
        digest.update(part.read_bytes())
    return cache() / digest.hexdigest()[:16]


def build() -> Path:
    """Make the root unless it is there, about a minute and a half and 1 GB; needs root and the mirror."""
    root = path()
    root.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(root.with_suffix(".lock")):
        if not root.exists():
            part = root.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            _bootstrap(part)
            guest.install(part)
            part.rename(root)
    return root


def _bootstrap(target: Path) -> None:
    argv = [
        # The lock ends with its owner, so what it protects has to: mmdebstrap and all its children.
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount-proc", "--pid", "--fork", "--kill-child"),
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        *(SUITE, str(target), *_mirrors()),
    ]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=1800, check=False)
    if done.returncode:
        shutil.rmtree(target, ignore_errors=True)
        raise RuntimeError(f"mmdebstrap ended with {done.returncode}: {done.stderr.decode()}")


def _mirrors() -> list[str]:
    """Sources lines for the Debian mirrors that this machine's apt uses; none: mmdebstrap has a default."""
    if shutil.which("apt-get") is None:
        return []
    form = ["--format", "$(LABEL) $(REPO_URI)"]
    listed = subprocess.run(
        ["apt-get", "indextargets", *form, "Created-By: Packages", "Origin: Debian"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    uris = dict(line.rsplit(" ", 1) for line in listed.splitlines())
    if not {"Debian", "Debian-Security"} <= uris.keys():
        return []
    return [
        f"deb {uris['Debian']} {SUITE} main",
        f"deb {uris['Debian']} {SUITE}-updates main",
        f"deb {uris['Debian-Security']} {SUITE}-security main",
    ]


if __name__ == "__main__":
    print(build())  # noqa: T201 (it talks to a person at a terminal)
