"""Commands on one machine, local or over SSH, bounded in time for certain."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import gettempdir
from types import FrameType
from typing import IO, Protocol, cast

from plumbum import CommandNotFound, local

from kvmkit.errors import CommandFailed, CommandTimeout, HostUnavailable
from kvmkit.progress import command_runs

__all__ = ["Follow", "Local", "Result", "Runner", "Ssh", "script"]

SSH_FAILED = 255
"""ssh's own exit code when it, not the command, failed (ssh(1), EXIT STATUS)."""
NOT_FOUND = 127
"""A shell's exit code for a command that is not installed (sh(1p))."""
TIMED_OUT = 124
"""coreutils' ``timeout`` exits with this when it had to end the command."""
KILLED = 128 + signal.SIGKILL
"""What ``timeout`` exits with when the command did not end at the first asking (timeout(1))."""
GRACE = 15
"""Seconds that a line may be late before it counts as dead."""
CLOSED = {
    "StrictHostKeyChecking": "yes",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "Tunnel": "no",
}
"""What a person's own settings of ssh do not decide: a host gets no way back, and has to be the known one."""
LONGEST_SOCKET = 107 - len("/.") - 32 - 17
"""Bytes of the folder of a control socket: a path has 107, and ssh adds 17 (unix(7), ssh's mux.c)."""
LIMIT = 64 * 2**20
"""Bytes that a command may print; one that prints more is ended, as nothing here reads so much."""
LOOK_SECONDS = 0.2
"""How often a command is looked at: what it prints, and whether it is still wanted."""

Follow = Callable[[str], None]
"""Told each line that a command prints, soon after it is printed."""


def script(name: str) -> str:
    """Read a shell script that comes with kvmkit, to be sent to a host: by its path in the package."""
    return files("kvmkit").joinpath(name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Result:
    """What a command printed and how it ended."""

    exit_code: int
    stdout: str
    stderr: str


class Runner(Protocol):
    """Where commands run."""

    def run(self, argv: Sequence[str], stdin: str, timeout: float, follow: Follow | None = None) -> Result:
        """Run one command, for at most `timeout` seconds; `follow` is told what it prints meanwhile."""


@dataclass(frozen=True)
class Local:
    """Commands on this machine."""

    host: str

    def run(self, argv: Sequence[str], stdin: str, timeout: float, follow: Follow | None = None) -> Result:
        """Run one command; `timeout` seconds later its whole process group is killed.

        Raises
        ------
        CommandTimeout
            With what it had printed until then.
        CommandFailed
            It printed more than `LIMIT`.
        """
        # Files, not pipes: a grandchild that keeps the output open then holds nobody up.
        with _memory("stdin") as given, _memory("stdout") as out, _memory("stderr") as err:
            given.write(stdin.encode())
            given.seek(0)
            process = None
            try:
                with _interrupts_later():
                    popen = local[argv[0]].popen(
                        list(argv[1:]), stdin=given, stdout=out, stderr=err, new_session=True
                    )
                    process = cast(
                        "subprocess.Popen[bytes]", popen
                    )  # plumbum's type leaves out wait's timeout
                exit_code = _waited_for(process, timeout, out, err, follow)
            except CommandNotFound:
                return Result(NOT_FOUND, "", f"{argv[0]}: command not found")
            except subprocess.TimeoutExpired:
                _kill_group(process)
                raise CommandTimeout(argv, TIMED_OUT, _text(out), _text(err), self.host) from None
            except OverflowError:
                _kill_group(process)
                said = f"it printed more than {LIMIT >> 20} MiB, and was ended"
                raise CommandFailed(argv, KILLED, "", said, self.host) from None
            except (
                BaseException
            ) as error:  # cancelled, or interrupted: neither must leave the command running
                _kill_group(process)
                if process is None and isinstance(error, OSError):  # a path that is no program
                    return Result(NOT_FOUND, "", f"{argv[0]}: {error.strerror}")
                raise
            return Result(exit_code, _text(out), _text(err))


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """Hold Ctrl-C back until the end of this context: a process that is just being made would be nobody's."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    pressed: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: pressed.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        before(*pressed[0])


@dataclass(frozen=True)
class Ssh:
    """Commands on another machine, over the same SSH target as libvirt's.

    One control master per target keeps later commands to a single round trip;
    with `fresh` each command makes a connection of its own, and so shows that the host can be reached.
    Host keys are verified as the user's own ssh is configured to; nothing is
    ever asked on a terminal, as a notebook has none.
    """

    host: str
    target: str
    port: int = 0
    keyfile: str = ""
    command: str = "ssh"
    fresh: bool = False

    @property
    def argv(self) -> list[str]:
        """The ssh command line up to the target."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "3" if self.fresh else "10",
            "ServerAliveInterval": "15",
            "ServerAliveCountMax": "8",
        } | CLOSED
        folder = None if self.fresh else _control_folder()
        if folder is None:
            options |= {"ControlMaster": "no", "ControlPath": "none"}
        else:
            # By key and command as well, unlike ssh's own %C: they decide who and where one is.
            master = hashlib.sha256(repr(self).encode()).hexdigest()[:32]
            options |= {
                "ControlMaster": "auto",
                "ControlPath": f"{folder}/{master}",
                "ControlPersist": "60",
            }
        argv = [self.command]
        for name, value in options.items():
            argv += ["-o", f"{name}={value}"]
        if self.port:
            argv += ["-p", str(self.port)]
        if self.keyfile:
            argv += ["-i", self.keyfile]
        return [*argv, "-T", self.target]

    def run(self, argv: Sequence[str], stdin: str, timeout: float, follow: Follow | None = None) -> Result:
        """Run one command there; bounded by ``timeout`` on the host, and by us if the line is dead.

        Raises
        ------
        CommandTimeout
            Also when the machine stopped answering.
        HostUnavailable
            When ssh itself failed: name, network, host key or login.
        """
        bounded = _one_line(["timeout", "-k", "5", str(timeout), *argv])
        start = time.monotonic()
        try:
            result = Local(self.host).run([*self.argv, "--", bounded], stdin, timeout + GRACE, follow)
        except CommandTimeout as error:
            # `timeout` there would have ended it long ago.
            said = f"{error.stderr}\nno end came over SSH: the machine, or the way to it, hangs"
            raise CommandTimeout(argv, error.exit_code, error.stdout, said, self.host) from None
        except CommandFailed as error:
            raise CommandFailed(argv, error.exit_code, error.stdout, error.stderr, self.host) from None
        if result.exit_code == SSH_FAILED:
            said = (result.stderr.strip() or "ssh said nothing").splitlines()[-1]
            raise HostUnavailable(
                f"ssh cannot reach {self.host}: {said}. Try `ssh {self.target}` in a terminal: "
                "the host's key must be known and a key of yours accepted, as nothing is asked here."
            )
        late = result.exit_code == KILLED and time.monotonic() - start >= timeout
        if result.exit_code == TIMED_OUT or late:
            raise CommandTimeout(argv, TIMED_OUT, result.stdout, result.stderr, self.host)
        return result


def _one_line(argv: Sequence[str]) -> str:
    r"""Join words to the one line that ssh hands to the login shell there, be it csh or fish.

    Quotes do not hold everything in each of them: no newline and no ``!`` in csh, and in fish ``\\`` is one
    backslash, and ``\'`` a quote.
    """
    line = shlex.join(argv)
    if not set(line) & set("\n!\\"):
        return line
    encoded = re.sub(rb"[^A-Za-z0-9]", lambda found: b"\\0%03o" % ord(found[0]), line.encode())
    return f"""sh -c 'eval "exec $(printf %b "$0")"' '{encoded.decode()}'"""


def _control_folder() -> str | None:
    """Give a folder for control sockets that is this user's alone; None: each command connects by itself."""
    for place in _places():
        folder = Path(place) / f"kvmkit-ssh-{os.getuid()}"
        # ssh takes a % for one of its tokens, and a blank for the end of the path.
        if len(os.fsencode(folder)) > LONGEST_SOCKET or not re.fullmatch(r"[A-Za-z0-9/._-]+", str(folder)):
            continue
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
                return str(folder)
    return None


def _places() -> list[str]:
    # In a temporary folder, whose names are short; that it is really ours is seen each time.
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return [*([runtime] if runtime else []), gettempdir(), "/tmp"]  # noqa: S108


def check(result: Result, argv: Sequence[str], host: str) -> Result:
    """Raise CommandFailed unless the command succeeded."""
    if result.exit_code != 0:
        raise CommandFailed(argv, result.exit_code, result.stdout, result.stderr, host)
    return result


def _waited_for(
    process: subprocess.Popen[bytes], timeout: float, out: IO[bytes], err: IO[bytes], follow: Follow | None
) -> int:
    """Wait for its end as ``process.wait`` does, and hand on the whole lines that it prints meanwhile.

    Raises
    ------
    subprocess.TimeoutExpired, OverflowError
        It did not end in time; it printed too much.
    """
    deadline = time.monotonic() + timeout
    place, rest, ended = 0, b"", False
    while not ended:
        try:
            process.wait(max(0, min(LOOK_SECONDS, deadline - time.monotonic())))
            ended = True
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise
            command_runs()
        if max(os.fstat(file.fileno()).st_size for file in (out, err)) > LIMIT:
            raise OverflowError
        # By its place, as the command writes at the end of this very file.
        while follow and (new := os.pread(out.fileno(), 65536, place)):
            place += len(new)
            *lines, rest = (rest + new).split(b"\n")
            for line in lines:
                follow(line.decode(errors="replace"))
    return process.wait()


def _memory(name: str) -> IO[bytes]:
    """Make a file that is on no disk, as what goes through it may be a secret."""
    return os.fdopen(os.memfd_create(name), "w+b")


def _kill_group(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:  # it was never started
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
