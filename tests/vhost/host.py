"""A Debian machine that is a KVM host, emulated: with systemd and kvm_amd, with reboots and power cuts."""

import os
import platform
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from tests.lab import debian, guest
from tests.lab.ssh import write_ssh
from tests.lab.waiting import wait_until
from tests.vhost.qemu import Qemu

NAME = "vhost"
BOOT_SECONDS = 1200
"""A bound; a boot takes about 40 s on two idle processors, and ten times that on busy ones."""
# Given a boot id: fails in that boot, else waits until systemd is done and says how it went.
_UP = (
    '[ "$(cat /proc/sys/kernel/random/boot_id)" != "$1" ] && { systemctl is-system-running --wait || true; }'
)


class VirtualHostError(RuntimeError):
    """The virtual host, or a command on it, did not do what it had to."""


def unavailable() -> str:
    """Say why this machine cannot have a virtual host; empty when it can."""
    if platform.machine() != "x86_64":
        return f"the virtual host is an x86-64 machine, made on one; this is {platform.machine()}"
    if os.geteuid() != 0:
        return "the virtual host is built from a Debian root folder, which needs root"
    needed = (*debian.COMMANDS, "ssh", "ssh-keygen", "mkfs.ext4")
    missing = [command for command in needed if shutil.which(command) is None]
    return f"the virtual host needs {', '.join(missing)}, which this machine lacks" if missing else ""


class VirtualHost:
    """A machine named `vhost` with a disk of its own, reached over SSH on 127.0.0.1.

    Attributes
    ----------
    uri : str
        libvirt's URI of it over SSH. The command in it, `ssh_command`, replaces `ssh` anywhere.
    kernel, initrd, iso : str
        Paths on a ready host of a guest's kernel and initrd and of a CD that boots.
    """

    kernel = str(guest.KERNEL)
    initrd = str(guest.INITRD)
    iso = str(guest.ISO)

    def __init__(self, image: Path, folder: Path, disk: Path, disk_format: str) -> None:
        self._image, self._folder = image, folder
        self._disk, self._disk_format = disk, disk_format
        self._qemu: Qemu | None = None
        self.ssh_command = str(folder / "ssh")
        self.uri = f"qemu+ssh://root@{NAME}/system?command={quote(self.ssh_command)}"

    def start(self, memory: Path | None = None) -> None:
        """Switch it on, or go on from a saved state, and wait until systemd says that it is up."""
        self._qemu = self._switch_on(memory)
        self._write_ssh()
        self._wait_until_up()
        if memory:
            # Its clock stands where it was saved.
            self.run(["date", f"--set=@{time.time():.3f}"])

    def kill(self) -> None:
        """Cut its power. What it had not yet written to its disk is lost; `start` switches it on again."""
        if self._qemu:
            self._qemu.kill()
            self._qemu = None

    def reboot(self) -> None:
        """Have it reboot by itself, and wait until it is up again."""
        before = self.boot_id()
        self.run(["systemctl", "reboot"], check=False)  # the connection may end before the command does
        self._wait_until_up(after=before)

    def wait(self) -> None:
        """Wait until it is switched off from inside."""
        assert self._qemu
        self._qemu.wait()

    def boot_id(self) -> str:
        """Return what Linux calls this boot (random(4))."""
        return self.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout.strip()

    def save(self, memory: Path) -> None:
        """Keep its state; then it is switched off."""
        assert self._qemu
        self._qemu.save(memory)
        self.kill()

    def run(
        self, argv: Sequence[str], *, timeout: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on it as root, bounded in time (seconds); raises VirtualHostError."""
        done = self._ssh(argv, timeout)
        if check and done.returncode:
            said = f"{done.stderr}{done.stdout}"
            raise VirtualHostError(f"{' '.join(argv)} ended with {done.returncode} on {NAME}: {said}")
        return done

    def _switch_on(self, memory: Path | None, **wiring: Sequence[str]) -> Qemu:
        console = self._folder / "console.log"
        return Qemu(self._image, self._disk, self._disk_format, memory, console, **wiring)

    def _write_ssh(self) -> None:
        assert self._qemu
        self._write_way({"HostName": "127.0.0.1", "Port": str(self._qemu.ssh_port)})

    def _write_way(self, way: Mapping[str, str]) -> Path:
        host_key = (self._image / "host_key.pub").read_text()
        return write_ssh(self._folder, NAME, self._image / "key", host_key, way)

    def _wait_until_up(self, after: str = "") -> None:
        ask = ["sh", "-c", _UP, "sh", after]
        state = wait_until(lambda: self._ssh(ask, BOOT_SECONDS).stdout, f"{NAME} is up", BOOT_SECONDS)
        if state != "running\n":
            failed = self.run(["systemctl", "--failed", "--no-legend", "--plain"]).stdout
            raise VirtualHostError(f"{NAME} is {state.strip()}, not running: {failed}")

    def _ssh(self, argv: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        # A connection to a machine that is switched off must end by itself, and early while it boots.
        bounds = ["-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=6"]
        return subprocess.run(
            [self.ssh_command, "-o", "BatchMode=yes", *bounds, NAME, shlex.join(argv)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
