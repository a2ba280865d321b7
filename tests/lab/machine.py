"""A Debian root folder as a machine of its own: in namespaces, under a writable overlay, reached over SSH.

The machine outside gets no service, no mount, no network device and no process that outlives the tests.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import quote

from tests.lab import debian, init
from tests.lab.cache import cache, claim_folder
from tests.lab.ssh import make_key, write_ssh

_NAMESPACES = ("unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--kill-child")
_COMMANDS = ("unshare", "nsenter", "mount", "ssh", "ssh-keygen")


class MachineError(RuntimeError):
    """The machine, or a command in it, did not do what it had to."""


def unavailable(root: Path) -> str:
    """Say why this machine cannot run another one of this root folder, built or not; empty when it can."""
    if os.geteuid() != 0:
        return "the lab mounts a file system of its own, which needs root; run the tests as root"
    needed = _COMMANDS if root.exists() else (*_COMMANDS, *debian.COMMANDS)
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


class Machine:
    """A machine with a network of its own; it lives as long as this process at most.

    Parameters
    ----------
    name
        Its name.
    build
        Makes its root folder unless that is there.
    shared
        Folders of it that clients on the root of the machine outside see; `local` of the lab enters there.

    Attributes
    ----------
    ssh_uri : str
        libvirt's URI of it over SSH. Its command, `ssh_command`, replaces `ssh` anywhere.
    """

    def __init__(self, name: str, build: Callable[[], Path], shared: Sequence[str] = ()) -> None:
        self.name, self._build, self._shared = name, build, shared
        # On disk beside the root rather than in /tmp, which may be memory: guests' disks lie here.
        self._folder, self._lock = claim_folder(cache("lab"))
        self._unshare: subprocess.Popen[str] | None = None
        self._init = 0
        self.ssh_command = str(self._folder / "ssh")
        self.ssh_uri = f"qemu+ssh://root@{name}/system?command={quote(self.ssh_command)}"

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
        """Bring it up: well below a second, once its root has been built."""
        self._init = self._start_namespaces(self._build())
        self._write_ssh()
        self.path("/etc/hostname").write_text(f"{self.name}\n")
        self.path("/etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")

    def stop(self) -> None:
        """End every process of it and remove its files."""
        if self._unshare is not None:
            if self._init and self._unshare.poll() is None:
                # Its number is not given away while unshare waits. All else in it ends before it.
                os.kill(self._init, signal.SIGKILL)
            else:
                self._unshare.kill()
            self._unshare.wait(30)
            self._unshare, self._init = None, 0
        self._lock.release()
        shutil.rmtree(self._folder, ignore_errors=True)

    def path(self, inside: str) -> Path:
        """Where this machine finds a path of that one; on an absolute symlink it would leave it."""
        return Path(f"/proc/{self._init}/root{inside}")

    @property
    def number(self) -> int:
        """The number of its first process on this machine, which names its namespaces."""
        return self._init

    def entering(self, argv: Sequence[str]) -> list[str]:
        """Return the argv that runs a command in it as root."""
        spaces = ["--mount", "--pid", "--net", "--ipc", "--uts"]
        return ["nsenter", "--target", str(self._init), *spaces, "--root", "--wd", *argv]

    def run(
        self, argv: Sequence[str], *, given: str = "", timeout: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it as root, bounded in time (seconds); raises MachineError."""
        entered = self.entering(["timeout", "--kill-after=5", str(timeout), *argv])
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
            said = f"{done.stderr}{done.stdout}"
            raise MachineError(f"{' '.join(argv)} ended with {code} on {self.name}: {said}")
        return done

    def _start_namespaces(self, root: Path) -> int:
        """Start its first process; the number of that on this machine."""
        for name in ("upper", "work", "root"):
            (self._folder / name).mkdir(exist_ok=True)
            (self._folder / name).chmod(0o755)
        # A pidfd tells of this process's end; the end of a pipe would live on in any forked child.
        owner = os.pidfd_open(os.getpid())
        told = [str(owner), str(root), str(self._folder), self.name, *self._shared]
        log = self._folder / "init.log"
        with log.open("w") as errors:
            # A session of its own: an interrupt from the terminal is for the tests, which then stop the lab.
            self._unshare = subprocess.Popen(
                [*_NAMESPACES, sys.executable, "-I", init.__file__, *told],
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
            raise MachineError(f"the namespaces of {self.name} did not come up: {log.read_text()}")
        return int(line)

    def _write_ssh(self) -> None:
        """Write `ssh`, with the key and the host key that it needs."""
        folder = self._folder
        authorized = self.path("/root/.ssh/authorized_keys")
        authorized.parent.mkdir(mode=0o700, exist_ok=True)
        authorized.write_text(make_key(folder / "key"))
        self.path("/run/sshd").mkdir()
        host_key = self.path("/etc/ssh/ssh_host_ed25519_key.pub").read_text()
        # No port anywhere: sshd talks to this client alone.
        way = {"ProxyCommand": " ".join(self.entering(["/usr/sbin/sshd", "-i"]))}
        write_ssh(folder, self.name, folder / "key", host_key, way)
