"""The virtual host itself: pristine each time, and gone with whoever started it."""

import contextlib
import itertools
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.waiting import wait_until
from tests.vhost.pristine import pristine

ROOT = Path(__file__).parent.parent.parent


def test_what_is_done_to_one_the_next_does_not_know() -> None:
    with pristine("bare") as host:
        host.run(["touch", "/etc/touched"])
        host.run(["sync"])
    with pristine("bare") as host:
        assert host.run(["ls", "/etc/touched"], check=False).stdout == ""


@contextlib.contextmanager
def started_by_make() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run what `make virtual-host` runs; give it and the printed command for ssh."""
    command = [sys.executable, "-m", "tests.vhost", "bare"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            told = "".join(itertools.takewhile(lambda line: line != "Ctrl-C ends it.\n", owner.stdout))
            found = re.search(r"^  (\S+/ssh) vhost$", told, flags=re.MULTILINE)
            assert found
            yield owner, Path(found[1])
        finally:
            owner.kill()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_it_ends_with_its_owner(ending: signal.Signals) -> None:
    with started_by_make() as (owner, ssh):
        said = subprocess.run(
            [ssh, "vhost", "hostname"], capture_output=True, text=True, timeout=60, check=True
        )
        assert said.stdout == "vhost\n"
        assert processes_with(ssh.parent)
        owner.send_signal(ending)
        owner.wait(60)
        wait_until(lambda: not processes_with(ssh.parent), "QEMU gone")
    if ending == signal.SIGINT:
        assert owner.returncode == 0
        assert not ssh.parent.exists()


def processes_with(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            argv = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if any(str(folder) in word for word in argv):
                found.append(shlex.join(argv))
    return found
