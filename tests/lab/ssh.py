"""Commands of one's own for reaching a test's host: `ssh` with its key and its host key, and others."""

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path


def make_key(path: Path) -> str:
    """Make a key without a passphrase, and return the public one."""
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "kvmkit tests", "-f", str(path)]
    subprocess.run(keygen, check=True, timeout=30)
    return path.with_suffix(".pub").read_text()


def write_ssh(folder: Path, host: str, key: Path, host_key: str, way: Mapping[str, str]) -> Path:
    """Write a command that replaces `ssh` anywhere and knows `host`; `way` says how it is reached."""
    (folder / "known_hosts").write_text(f"{host} {host_key}")
    config = {
        "User": "root",
        "IdentityFile": f'"{key}"',
        "IdentitiesOnly": "yes",
        "HostKeyAlias": host,
        "UserKnownHostsFile": f'"{folder}/known_hosts"',
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        # OpenSSH's own choice withstands quantum computers, and takes half of the time of a short connection.
        "KexAlgorithms": "curve25519-sha256",
        **way,
    }
    lines = "".join(f"    {name} {value}\n" for name, value in config.items())
    (folder / "ssh_config").write_text(f"Host {host}\n{lines}")
    write_script(folder / "ssh", f'exec ssh -F {shlex.quote(str(folder))}/ssh_config "$@"')
    return folder / "ssh"


def write_script(path: Path, line: str) -> None:
    """Write a shell script of one line."""
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
