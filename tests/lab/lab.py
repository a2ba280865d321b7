"""A virtual KVM host for tests: real libvirtd, virtlogd and QEMU in namespaces of their own.

One Debian root folder (`tests.lab.root`) under a writable overlay, entered with `unshare`. The machine
outside gets no service, no mount, no network device and no process that outlives the tests.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self
from urllib.parse import quote

from tests.lab import debian, guest, init, root
from tests.lab.cache import cache, claim_folder
from tests.lab.ssh import make_key, write_script, write_ssh
from tests.lab.waiting import wait_until

_NAMESPACES = ("unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--kill-child")
_COMMANDS = ("unshare", "nsenter", "mount", "ssh", "ssh-keygen")


class LabError(RuntimeError):
    """The lab, or a command in it, did not do what it had to."""


class Lab:
    """A KVM host named `lab` that lives as long as this process at most.

    Attributes
    ----------
    ssh_uri : str
        libvirt's URI of the lab over SSH. Its command, `ssh_command`, replaces `ssh` anywhere.
    kernel, initrd, iso : str
        Paths, as seen on the lab, of a guest's kernel and initrd and of a CD that boots.
    """

    kernel = str(guest.KERNEL)
    initrd = str(guest.INITRD)
    iso = str(guest.ISO)

    @staticmethod
    def unavailable() -> str:
        """Say why this machine cannot have a lab; empty when it can."""
        if os.geteuid() != 0:
            return "the lab mounts a file system of its own, which needs root; run the tests as root"
        needed = _COMMANDS if root.path().exists() else (*_COMMANDS, *debian.COMMANDS)
        missing = [command for command in needed if shutil.which(command) is None]
        if missing:
            return f"the lab needs {', '.join(missing)}, which this machine lacks"
        cache("lab").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache("lab")) as layers:
            for name in ("upper", "work"):
                Path(layers, name).mkdir()
            options = f"lowerdir=/usr,upperdir={layers}/upper,workdir={layers}/work"
            probe = [*_NAMESPACES, "mount", "-t", "overlay", "-o", options, "probe", "/usr"]
            done = subprocess.run(probe, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            return f"this machine does not allow namespaces with an overlay in them: {done.stderr.strip()}"
        return ""

    def __init__(self) -> None:
        # On disk beside the root rather than in /tmp, which may be memory: guests' disks lie here.
        self._folder, self._lock = claim_folder(cache("lab"))
        self._unshare: subprocess.Popen[str] | None = None
        self._init = 0
        self.ssh_command = str(self._folder / "ssh")
        self.ssh_uri = f"qemu+ssh://root@lab/system?command={quote(self.ssh_command)}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Bring the host up: about a second, once the Debian root has been built."""
        debian = root.build()
        self._init = self._start_namespaces(debian)
        self._write_commands()
        self.path("/etc/hostname").write_text("lab\n")
        self.path("/etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 lab\n")
        # QEMU in a mount namespace of libvirt's making would need a /dev that libvirt can rebuild.
        with self.path("/etc/libvirt/qemu.conf").open("a") as conf:
            conf.write("\nnamespaces = []\n")
        self.run(["virtlogd", "--daemon"])
        self.start_libvirtd()
        images = ["--type", "dir", "--target", "/var/lib/libvirt/images"]
        self.run(["virsh", "pool-define-as", "default", *images])
        self.run(["virsh", "pool-autostart", "default"])
        self.run(["virsh", "pool-start", "default"])
        self.run(["virsh", "net-autostart", "default"])
        self.run(["virsh", "net-start", "default"])

    def stop(self) -> None:
        """End every process of the lab and remove its files."""
        if self._unshare is not None:
            if self._init and self._unshare.poll() is None:
                # Its number is not given away while unshare waits. All else in the lab ends before it.
                os.kill(self._init, signal.SIGKILL)
            else:
                self._unshare.kill()
            self._unshare.wait(30)
            self._unshare, self._init = None, 0
        self._lock.release()
        shutil.rmtree(self._folder, ignore_errors=True)

    def path(self, inside: str) -> Path:
        """Where this machine finds a path of the lab; on an absolute symlink it would leave the lab."""
        return Path(f"/proc/{self._init}/root{inside}")

    def local(self, argv: Sequence[str]) -> list[str]:
        """Return the argv that runs a command on this machine's own root as if the lab's libvirt were there.

        In the private mount namespace `qemu:///system` is the lab's libvirtd, and the folders in
        `init.SHARED` are the lab's; the network is the lab's, too.
        """
        return [str(self._folder / "local"), *argv]

    def run(
        self, argv: Sequence[str], *, given: str = "", timeout: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the lab as root, bounded in time (seconds); raises LabError."""
        entered = [*self._enter(), "timeout", "--kill-after=5", str(timeout), *argv]
        # Files, not pipes: a daemon that keeps a pipe open would keep us reading.
        with (
            tempfile.TemporaryFile("w+") as stdin,
            tempfile.TemporaryFile("w+") as out,
            tempfile.TemporaryFile("w+") as err,
        ):
            stdin.write(given)
            stdin.seek(0)
            code = subprocess.run(
                entered, stdin=stdin, stdout=out, stderr=err, timeout=timeout + 10, check=False
            ).returncode
            out.seek(0)
            err.seek(0)
            done = subprocess.CompletedProcess(list(argv), code, out.read(), err.read())
        if check and code:
            raise LabError(f"{' '.join(argv)} ended with {code} in the lab: {done.stderr}{done.stdout}")
        return done

    def start_libvirtd(self) -> None:
        """Start libvirtd and wait until it answers."""
        self.run(["libvirtd", "--daemon"])
        self.run(["virsh", "uri"])

    def stop_libvirtd(self) -> None:
        """Stop libvirtd as a service manager would, and wait until it is gone; guests run on."""
        number = self.path("/run/libvirtd.pid").read_text().strip()
        self.run(["kill", number])
        running = self.path(f"/proc/{number}")
        wait_until(lambda: not running.exists(), "libvirtd of the lab ended after SIGTERM", 30)

    def restart_libvirtd(self) -> None:
        """Stop and start libvirtd: connections break, guests run on."""
        self.stop_libvirtd()
        self.start_libvirtd()

    def _start_namespaces(self, debian: Path) -> int:
        """Start the lab's first process; its number on this machine."""
        for name in ("upper", "work", "root"):
            (self._folder / name).mkdir()
            (self._folder / name).chmod(0o755)
        # A pidfd tells of this process's end; the end of a pipe would live on in any forked child.
        owner = os.pidfd_open(os.getpid())
        first = [sys.executable, "-I", init.__file__, str(owner), str(debian), str(self._folder)]
        log = self._folder / "init.log"
        with log.open("w") as errors:
            # A session of its own: an interrupt from the terminal is for the tests, which then stop the lab.
            self._unshare = subprocess.Popen(
                [*_NAMESPACES, *first],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                pass_fds=[owner],
                start_new_session=True,
            )
        os.close(owner)
        assert self._unshare.stdout is not None
        with self._unshare.stdout as out:
            line = out.readline() if select.select([out], [], [], 30)[0] else ""
        if not line:
            raise LabError(f"the lab's namespaces did not come up: {log.read_text()}")
        return int(line)

    def _enter(self) -> list[str]:
        spaces = ["--mount", "--pid", "--net", "--ipc", "--uts"]
        return ["nsenter", "--target", str(self._init), *spaces, "--root", "--wd"]

    def _write_commands(self) -> None:
        """Write `ssh`, with the key and the host key that it needs, and `local`."""
        folder = self._folder
        authorized = self.path("/root/.ssh/authorized_keys")
        authorized.parent.mkdir(mode=0o700, exist_ok=True)
        authorized.write_text(make_key(folder / "key"))
        self.path("/run/sshd").mkdir()
        host_key = self.path("/etc/ssh/ssh_host_ed25519_key.pub").read_text()
        # No port anywhere: sshd talks to this client alone.
        way = {"ProxyCommand": " ".join([*self._enter(), "/usr/sbin/sshd", "-i"])}
        write_ssh(folder, "lab", folder / "key", host_key, way)
        # nsenter begins in /, hence the way back to where the caller is.
        enter = f"nsenter --target {self._init} --mount --net"
        write_script(folder / "local", f'exec {enter} env --chdir="$PWD" -- "$@"')
