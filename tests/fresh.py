"""Tries README's two commands on a machine on which nothing is installed: `make fresh SUITE=trixie AS=root`.

The machine is a Debian root folder with `make` and nothing else that kvmkit needs, in namespaces of its own,
and on this machine's network, as it fetches packages. `AS` is one of

- root: the person is root there, and what is missing is installed;
- user: root has installed the packages, and an ordinary user runs the commands;
- container: as root in a plain chroot, where the kernel refuses user namespaces to everybody.

What the commands print goes to build/fresh/SUITE-AS.log.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tests.lab import debian
from tests.lab.cache import build_once, cache, digest
from tests.lab.waiting import wait_until
from tests.run import ROOT

PACKAGES = ("make", "ca-certificates", "git")
HOWS = ("root", "user", "container")
REACHING = (
    *("/etc/resolv.conf", "/etc/pip.conf", "/etc/npmrc", "/root/.npmrc"),
    *("/etc/ssl/certs/ca-certificates.crt", "/usr/local/share/ca-certificates"),
)
"""How this machine reaches its package indexes; a fresh one beside it has to, too."""
VARIABLES = re.compile(
    r"(SSL_CERT_|REQUESTS_CA_|NODE_EXTRA_CA_|PIP_(CERT|INDEX|DEFAULT)|\w+_proxy|\w+_PROXY)"
)
ENTER = """\
set -eu
root=$1; how=$2; shift 2
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
[ "$how" != container ] || exec chroot "$root" "$@"
cd "$root"
mkdir -p old
pivot_root . old
umount -l old
exec "$@"
"""
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S*token=\w+")
LAB_BOUND, TEST_BOUND = 900, 3600
"""Seconds."""


def build() -> Path:
    """Make the root folder unless it is there, half a minute; needs root and the mirror."""
    name = f"fresh-{debian.SUITE}-{digest(','.join(PACKAGES), Path(debian.__file__))}"
    return build_once(cache("lab") / name, lambda root: debian.bootstrap(root, PACKAGES))


class FreshMachine:
    """A copy of that root, with a clone of this repository's last commit in it."""

    def __init__(self, folder: Path, how: str, log: Path) -> None:
        self.root, self.how, self.log = folder / "root", how, log
        self.user = "somebody" if how == "user" else "root"
        self.home = f"/home/{self.user}" if how == "user" else "/root"
        subprocess.run(["cp", "-a", build(), self.root], check=True, timeout=300)
        for path in filter(os.path.exists, REACHING):
            target = self.root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(path).is_dir():
                shutil.copytree(path, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(path, target)
        subprocess.run(["git", "clone", "--quiet", ROOT, self.root / "srv/kvmkit"], check=True, timeout=120)

    def prepare(self) -> None:
        """Have root install the packages, for an ordinary user who cannot."""
        if self.how == "user":
            self.run(["useradd", "--create-home", "--shell", "/bin/bash", self.user], 60)
            self.run(["tools/system-packages", "test"], 1200)
            self.run(["chown", "-R", self.user, "/srv/kvmkit"], 60)

    def command(self, argv: Sequence[str], user: str = "root", home: str = "/root") -> list[str]:
        """Return the argv that runs a command in the clone there."""
        given = [f"{name}={value}" for name, value in os.environ.items() if VARIABLES.match(name)]
        paths = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        become = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh"),
            *(str(self.root), self.how, "env", "-i", "-C", "/srv/kvmkit", f"HOME={home}", paths, *given),
            *(*become, *argv),
        ]

    def run(self, argv: Sequence[str], bound: int, user: str = "root", home: str = "/root") -> int:
        """Run a command there, bounded in time (seconds), its output at the end of the log."""
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(argv)}\n")
            log.flush()
            return subprocess.run(
                self.command(argv, user, home),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=bound,
                check=False,
            ).returncode

    def lab(self) -> float:
        """Run `make lab` until the address that it prints answers; the seconds that took."""
        begin = time.monotonic()
        argv = ["make", "lab", "LAB_ARGS=--no-browser"]
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(argv)}\n")
            log.flush()
            before = self.log.stat().st_size
            process = subprocess.Popen(
                self.command(argv, self.user, self.home),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

        def address() -> re.Match[str] | None:
            assert process.poll() is None, "`make lab` ended before it printed an address"
            return ADDRESS.search(self.log.read_text(errors="replace")[before:])

        try:
            found = wait_until(address, "the address that `make lab` prints", LAB_BOUND)
            assert found
            urllib.request.urlopen(found[0], timeout=60).close()  # noqa: S310 (on 127.0.0.1)
            return time.monotonic() - begin
        finally:
            process.kill()
            process.wait(60)

    def test(self) -> tuple[int, float]:
        """Run `make test`; its exit code and seconds."""
        begin = time.monotonic()
        return self.run(["make", "test"], TEST_BOUND, self.user, self.home), time.monotonic() - begin


def main(how: str) -> int:
    """Try both commands in one way; 0 when both did what README says."""
    if how not in HOWS:
        print(f"AS={how}: there are {', '.join(HOWS)}")
        return 2
    log = ROOT / "build" / "fresh" / f"{debian.SUITE}-{how}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    folder = cache("lab") / "fresh"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as scratch:
        machine = FreshMachine(Path(scratch), how, log)
        machine.prepare()
        print(f"{debian.SUITE}, {how}: make lab serves the menu after {machine.lab():.0f} s", flush=True)
        code, seconds = machine.test()
    tail = log.read_text(errors="replace").rpartition("== What was tested")[2]
    print(f"{debian.SUITE}, {how}: make test ended with {code} after {seconds:.0f} s{tail}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
