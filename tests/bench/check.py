"""`kk.check_host` over SSH: its round trips, and its time beside a bare `ssh HOST true`.

A process of its own, as the environment tells libvirt to log what it sends; prints its rows as JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import libvirt

import kvmkit as kk
from kvmkit.commands import Ssh
from tests.bench.measure import Row, alternate, compare, seconds

ROUNDS = 9


def run(ssh_uri: str, ssh_command: str, rounds: int) -> list[Row]:
    """Measure in that process."""
    with tempfile.NamedTemporaryFile(prefix="kvmkit-bench-") as log:
        logging = {"LIBVIRT_LOG_FILTERS": "2:rpc", "LIBVIRT_LOG_OUTPUTS": f"2:file:{log.name}"}
        argv = [sys.executable, "-m", "tests.bench.check", ssh_uri, ssh_command, log.name, str(rounds)]
        done = subprocess.run(argv, env=os.environ | logging, stdout=subprocess.PIPE, check=True)
    return [Row(**row) for row in json.loads(done.stdout)]


def rows(ssh_uri: str, ssh_command: str, log: Path, rounds: int) -> list[Row]:
    """Each round is a first contact: no connection is open, neither libvirt's nor ssh's."""
    pairs = alternate(rounds, partial(_first_check, ssh_uri), partial(_bare_ssh, ssh_command))
    _hang_up(ssh_uri)
    trips = Row("`kk.check_host` over SSH", "round trips", round_trips(ssh_uri, log), bound=3)
    _hang_up(ssh_uri)
    return [trips, compare("`kk.check_host` over SSH", "`ssh HOST true`", pairs, bound=None)]


def round_trips(ssh_uri: str, log: Path) -> int:
    """Count how often a first check waits for the host.

    That is each command run over SSH, each libvirt connection opened, and each message that libvirt's
    client then sends on it, by its own log. The handshakes that are part of ssh's start and of
    `libvirt.open` (four messages to agree on a protocol) are not counted singly: both are one opening.
    """
    opened: list[int] = []
    open_connection = libvirt.open

    def opening(uri: str) -> Any:
        before = _messages(log)
        connection = open_connection(uri)
        opened.append(_messages(log) - before)
        return connection

    host = kk.Host(ssh_uri)  # kept until all is counted, as libvirt takes its leave by a message
    before = _messages(log)
    with (
        mock.patch.object(libvirt, "open", opening),
        mock.patch.object(Ssh, "run", autospec=True, side_effect=Ssh.run) as commands,
    ):
        kk.check_host(host)
    if not opened or not all(opened):
        raise RuntimeError(f"libvirt logged no message while a connection was opened: {opened}")
    calls = _messages(log) - before - sum(opened)
    return int(commands.call_count) + len(opened) + calls


def _messages(log: Path) -> int:
    return log.read_text(encoding="utf-8").count("RPC_CLIENT_MSG_TX_QUEUE")


def _first_check(ssh_uri: str) -> float:
    _hang_up(ssh_uri)
    return seconds(partial(kk.check_host, kk.Host(ssh_uri)))


def _bare_ssh(ssh_command: str) -> float:
    return seconds(partial(subprocess.run, [ssh_command, "lab", "true"], check=True))


def _hang_up(ssh_uri: str) -> None:
    """End the control master, if there is one."""
    ssh = kk.Host(ssh_uri).ssh
    assert ssh is not None
    command, *options = ssh.argv
    subprocess.run([command, "-O", "exit", *options], stderr=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    measured = rows(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    print(json.dumps([asdict(row) for row in measured]))  # noqa: T201 (the parent reads it)
