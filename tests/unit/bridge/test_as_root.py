"""How the probe becomes root: with a made-up `id` and `sudo`, as a test machine's own decide otherwise."""

import os
import subprocess
from pathlib import Path

import pytest

from kvmkit.bridge.read import AS_ROOT, probe_script

SUDO = """#!/bin/sh
[ "$ALLOWED" = yes ] && [ "$1" = -n ] || exit 1
shift
exec env -u SSH_CONNECTION BY=sudo "$@"
"""


def run(folder: Path, number: int, allowed: str, *words: str) -> list[str]:
    for name, text in {"id": f"#!/bin/sh\necho {number}\n", "sudo": SUDO}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "SSH_CONNECTION": "10.0.0.2 50000 192.168.0.100 22",
        "ALLOWED": allowed,
    }
    script = 'printf "%s\\n" "${BY:-itself}" "$@"'
    done = subprocess.run(
        ["sh", "-c", AS_ROOT, "sh", *words],
        input=script,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("number", "allowed", "by"), [(0, "yes", "itself"), (1000, "yes", "sudo"), (1000, "no", "itself")]
)
def test_sudo_is_used_where_it_asks_nothing_and_the_session_is_passed_on(
    tmp_path: Path, number: int, allowed: str, by: str
) -> None:
    told = run(tmp_path, number, allowed, "reach")
    assert told == [by, "network", "10.0.0.2 50000 192.168.0.100 22", "reach"]


def test_the_probe_begins_with_the_host_checks_own_and_ends_with_its_own_mark() -> None:
    script = probe_script()
    assert script.index("section end") < script.index("section 'network end'")
