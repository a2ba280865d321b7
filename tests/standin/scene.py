"""Installing a system from an install tree onto a blank disk, up to a login by the key that was asked for.

The installer is the tests' stand-in for Anaconda; the packages are Debian's.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import kvmkit as kk
from tests.lab.ssh import make_key
from tests.realqemu.vm.world import World
from tests.standin import tree as standin
from tests.standin.network import in_network_of

GATEWAY = "192.168.122.1"
"""The lab on its default network."""
TIMEOUT = 3000
"""Seconds for an installer that takes three minutes on two processors with nothing else to do."""


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
def key(tmp_path: Path) -> Path:
    """Give a private key; the public one is beside it."""
    make_key(tmp_path / "key")
    return tmp_path / "key"


def public(key: Path) -> str:
    return key.with_suffix(".pub").read_text().strip()


def vm() -> kk.VMSpec:
    return kk.VMSpec(name="web1", memory_mib=1536, vcpus=2, disk_gib=4)


def wanted(location: str, key: Path, **fields: object) -> kk.InstallSpec:
    asked = {
        "location": location,
        "release": "RHEL9",
        "user": "ada",
        "ssh_keys": public(key),
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


def install(near: World, location: str, key: Path, delivery: str) -> kk.Report:
    """Install a system, and see that it is what was asked for."""
    report = kk.apply(kk.plan_vm(near.host, vm(), wanted(location, key, delivery=delivery)))
    assert report.ok
    address = kk.wait_for(near.host, "web1", "ssh", 600).address

    said = log_in(address, key, "hostname; whoami; cat /etc/made-by-post /etc/timezone; sudo -n id -u")
    assert said.split("\n")[:-1] == ["web1", "ada", "it was here", "Europe/Berlin", "0"]
    assert log_in(address, key, "less --version && cat /etc/os-release").startswith("less ")
    return report
