"""The commands of README and the how-to guides that need no host: by make, and as pages of their own."""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

import kvmkit as kk
from tests import written
from tests.lab.waiting import wait_until
from tests.practice.kernels import URI

HOST = "qemu+ssh://root@kvm1/system"
SECONDS = 90


def test_make_runs_a_runbook_on_the_practice_host(host: kk.Host) -> None:
    done = written.run("make run-NAME", given={"NAME": "40-create-vm"})

    assert done.returncode == 0, done.stdout + done.stderr
    assert kk.vms(host).loc["web1", "state"] == "running"


def test_the_command_runs_a_runbook_on_the_practice_host_unless_another_is_named(host: kk.Host) -> None:
    done = written.run("kvmkit run 40-create-vm vm_name=web2")
    named = written.run("kvmkit run 40-create-vm --uri ...", given={"...": URI})
    other = written.run("kvmkit run 40-create-vm --uri ... vm_name=web2", given={"...": URI, "web2": "web3"})

    assert [run.returncode for run in (done, named, other)] == [0, 0, 0], done.stderr + named.stderr
    assert set(kk.vms(host).index) == {"demo", "web1", "web2", "web3"}


def test_the_command_checks_a_host() -> None:
    done = written.run("kvmkit check qemu:///system", given={"qemu:///system": URI})

    assert done.stdout.startswith(f"check on {URI}: ")
    assert "Traceback" not in done.stderr


def test_preparing_by_make_goes_on_plan_by_plan_as_each_is_confirmed(host: kk.Host) -> None:
    # The practice host takes "practice" for consent, unless the run says what it consents to.
    unconfirmed = written.run(
        "make run-20-prepare-host URI=qemu+ssh://root@kvm1/system",
        "PARAMETERS=confirm=",
        given={HOST: URI},
    )
    first = stopped_at(unconfirmed)
    confirmed = written.run(
        "make run-20-prepare-host URI=qemu+ssh://root@kvm1/system PARAMETERS='confirm=p4c1f0a9d3'",
        given={HOST: URI, "p4c1f0a9d3": first},
    )

    assert "stopped at cell 'packages-gate'" in unconfirmed.stderr
    # Installing is rehearsed there, which no journal tells of.
    assert "stopped at cell 'defaults-gate'" in confirmed.stderr
    assert stopped_at(confirmed) != first


def stopped_at(run: subprocess.CompletedProcess[str]) -> str:
    """Give the id of the plan at which a run stopped."""
    assert run.returncode != 0
    assert f"Error: RunFailed: 20-prepare-host on {URI} stopped at cell " in run.stderr
    found = re.search(
        r"NotApplied: plan (p[0-9a-f]+) .*read the plan, then run again with confirm=", run.stderr
    )
    assert found, run.stderr
    return found[1]


@contextmanager
def served(argv: list[str], log: Path) -> Iterator[str]:
    """Start a server, give the address that it prints, and end it."""
    with log.open("w") as out:
        process = subprocess.Popen(argv, cwd=written.ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            yield wait_until(
                lambda: printed_address(log, process), f"the address of {argv[0]} in {log}", SECONDS
            )
        finally:
            process.terminate()
            process.wait(SECONDS)


def printed_address(log: Path, process: subprocess.Popen[bytes]) -> str:
    said = log.read_text(encoding="utf-8", errors="replace")
    assert process.poll() is None, said
    found = re.search(r"http://127\.0\.0\.1:\d+/\S*", said)
    return found[0] if found else ""


def answer(address: str) -> str:
    """Give the page at an address of this machine; a server may print the address before it listens."""
    host, port = urlsplit(address).hostname, urlsplit(address).port

    def listens() -> bool:
        with socket.socket() as tried:
            return tried.connect_ex((host, port)) == 0

    wait_until(listens, f"a server listens at {host}:{port}", SECONDS)
    with urlopen(address, timeout=SECONDS) as page:  # noqa: S310 (it begins with http)
        return str(page.read().decode())


def free_port() -> int:
    """Find a port for a server that cannot say which one it was given."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_voila_serves_the_folder_of_runbooks(
    host: kk.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    argv = written.argv(
        ".venv/bin/voila --Voila.ip=127.0.0.1 --show_tracebacks=True notebooks",
        *("--no-browser", f"--Voila.port={free_port()}", "--Voila.port_retries=0"),
    )
    with served(argv, tmp_path / "log") as address:
        assert "Voilà Home" in answer(address)  # whose list of notebooks is drawn by JavaScript


def test_notebook_7_opens_the_folder_of_runbooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    argv = written.argv(
        ".venv/bin/jupyter notebook --ip=127.0.0.1 --allow-root notebooks",
        *("--no-browser", "--port=0"),
    )
    with served(argv, tmp_path / "log") as address:
        assert "<title>Home</title>" in answer(address)
