"""A system gets from an install tree onto a blank disk, up to a login by the key that was asked for.

The installer is the tests' stand-in for Anaconda; the packages are Debian's.
"""

import contextlib
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kvmkit as kk
from tests.lab.ssh import make_key
from tests.realqemu.vm.world import World
from tests.standin import tree as standin
from tests.standin.network import in_network_of
from tests.unit.install.servers import Files, ftp_files, http_files

GATEWAY = "192.168.122.1"
"""The lab on its default network."""
TIMEOUT = 3000
"""Seconds for an installer that takes three minutes on two processors with nothing else to do."""

SHOWN = Path(__file__).parents[2] / "docs/explanation/installation"
"""What docs/ shows: the last installation, in words (.txt) and in a picture (.svg)."""


@pytest.fixture(scope="module")
def tree() -> Path:
    return standin.build()


@pytest.fixture
def near(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Be where the VMs are, as one who works on the host, and has fetched nothing yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with in_network_of(world.lab.number):
        yield world


@pytest.fixture
def key(tmp_path: Path) -> str:
    return make_key(tmp_path / "key").strip()


@contextlib.contextmanager
def http(folder: Path) -> Iterator[str]:
    with http_files(folder, GATEWAY) as files:
        yield files.url()


def ftp(folder: Path) -> contextlib.AbstractContextManager[str]:
    return ftp_files(folder, GATEWAY)


def vm() -> kk.VMSpec:
    return kk.VMSpec(name="web1", memory_mib=1536, vcpus=2, disk_gib=4)


def wanted(location: str, key: str, **fields: object) -> kk.InstallSpec:
    asked = {
        "location": location,
        "release": "RHEL9",
        "user": "ada",
        "ssh_keys": key,
        "timezone": "Europe/Berlin",
        "packages": "less",
        "post": "echo it was here >/etc/made-by-post",
        "timeout": TIMEOUT,
    }
    return kk.InstallSpec.model_validate(asked | fields)


def log_in(address: str, key: Path, command: str) -> str:
    """Run a command on the new system over SSH, by the key alone."""
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": "/dev/null",
        # Its key was made minutes ago, on a network of the test's own.
        "StrictHostKeyChecking": "no",
        "ConnectTimeout": "60",
    }
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    done = subprocess.run(
        ["ssh", *given, "-i", key, f"ada@{address}", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("serve", "delivery"), [(http, "initrd"), (ftp, "seed")])
def test_a_blank_disk_becomes_a_system_that_is_logged_in_to(
    near: World,
    tree: Path,
    key: str,
    tmp_path: Path,
    serve: Callable[[Path], contextlib.AbstractContextManager[str]],
    delivery: str,
) -> None:
    host, before = near.host, near.state()
    with serve(tree) as location:
        plan = kk.plan_vm(host, vm(), wanted(location, key, delivery=delivery))
        report = kk.apply(plan)
    assert report.ok
    address = kk.wait_for(host, "web1", "ssh", 600).address

    said = log_in(
        address, tmp_path / "key", "hostname; whoami; cat /etc/made-by-post /etc/timezone; sudo -n id -u"
    )
    assert said.split("\n")[:-1] == ["web1", "ada", "it was here", "Europe/Berlin", "0"]
    assert log_in(address, tmp_path / "key", "less --version && cat /etc/os-release").startswith("less ")
    if serve is http:
        show(report)

    kk.undo(report)
    assert near.state() == before


def show(report: kk.Report) -> None:
    """Keep it for docs/, without what is the lab's alone: the command by which it is reached."""
    SHOWN.with_suffix(".txt").write_text("".join(f"{row.check}: {row.found}\n" for row in report.checks))
    SHOWN.with_suffix(".svg").write_text(re.sub(r"\?command=[^<]*", "", kk.timeline(report).svg) + "\n")


def test_a_server_that_stops_half_way_is_told_and_nothing_is_left(near: World, tree: Path, key: str) -> None:
    before = near.state()
    with http_files(tree, GATEWAY) as files:
        plan = kk.plan_vm(near.host, vm(), wanted(files.url(), key))
        stop_after(files, "linux-image")
        with pytest.raises(kk.ApplyFailed, match="installing the payload"):
            kk.apply(plan)
    assert any("linux-image" in path for path, _ in files.asked)
    assert near.state() == before


def stop_after(files: Files, name: str) -> None:
    """Break off in the middle of a package, and answer nothing from then on."""
    stopped = []

    def before(path: str, place: int) -> bool:
        stopped.extend([True] * (name in path and place > 0))
        return bool(stopped)

    files.before = before
