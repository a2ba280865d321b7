"""The network of the practice host: a real one, in namespaces, that goes with the process that made it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from plumbum import local

import kvmkit as kk
from kvmkit.sandbox import Sandbox
from tests.lab.waiting import wait_until
from tests.practice.kernels import URI


def run(sandbox: Sandbox, *argv: str) -> str:
    result = sandbox.run(argv, "", 30)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def outside() -> str:
    return subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout


def test_it_has_a_nic_and_a_router_that_answers(sandbox: Sandbox) -> None:
    assert "192.168.0.100/24" in run(sandbox, "ip", "address", "show", "dev", "eth0")
    assert run(sandbox, "ip", "route", "show", "default") == "default via 192.168.0.1 dev eth0 \n"
    assert " 1 received" in run(sandbox, "ping", "-n", "-c", "1", "-W", "5", "192.168.0.1")


def test_what_is_changed_in_it_stays_in_it(sandbox: Sandbox) -> None:
    before, hosts = outside(), Path("/etc/hosts").read_text()
    run(sandbox, "ip", "link", "add", "kvmkit-br", "type", "bridge")
    run(sandbox, "sh", "-c", "echo changed >/etc/hosts; echo changed >/run/kvmkit-changed")

    assert run(sandbox, "cat", "/etc/hosts") == "changed\n"
    assert outside() == before
    assert Path("/etc/hosts").read_text() == hosts
    assert not Path("/run/kvmkit-changed").exists()


def test_all_of_it_ends_with_it(sandbox: Sandbox) -> None:
    first = sandbox._first
    run(sandbox, "setsid", "-f", "sleep", "1000")
    sandbox.end()

    assert not sandbox.stands
    assert not Path(f"/proc/{first}").exists()


def test_it_ends_with_a_killed_process(sandbox: Sandbox) -> None:
    code = "from kvmkit.sandbox import Sandbox; s = Sandbox(); print(s._first, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        first = int(process.stdout.readline())
        assert Path(f"/proc/{first}").exists()
        process.kill()
        process.wait(30)
    wait_until(lambda: not Path(f"/proc/{first}").exists(), "the end of the sandbox of a killed process", 60)


def test_a_machine_that_allows_none_says_why(tmp_path: Path) -> None:
    unshare = tmp_path / "unshare"
    unshare.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    unshare.chmod(0o755)
    allowed_none = local.env(PATH=f"{tmp_path}:{os.environ['PATH']}")

    with allowed_none, pytest.raises(kk.Unsupported, match=r"no network to practise on: .* not permitted"):
        Sandbox()


def test_a_fresh_practice_host_has_a_fresh_network(sandbox: Sandbox) -> None:
    host = kk.connect(URI)
    host.networked().run(["ip", "link", "add", "br0", "type", "bridge"])
    assert host.networked().run(["ip", "link", "show", "br0"], ok=False).exit_code == 0

    kk.fresh_practice_host()
    assert host.networked().run(["ip", "link", "show", "br0"], ok=False).exit_code != 0
