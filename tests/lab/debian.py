"""Debian root folders, made by mmdebstrap from the mirrors that this machine uses."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

SUITE = os.environ.get("SUITE", "trixie")
"""The release of Debian that the tests' machines run, by its code name: `SUITE=bookworm make test`."""
COMMANDS = ("mmdebstrap", "setpriv", "unshare", "chroot")
"""What it takes."""


def bootstrap(
    target: Path, packages: Sequence[str], suite: str = SUITE, files: Mapping[str, str] | None = None
) -> None:
    """Make a root folder of a release with these packages and what they need; needs root and the mirror.

    `files`, by their names in the root folder, are there before any package is, as settings for its making.
    """
    with tempfile.TemporaryDirectory() as before:
        for name, text in (files or {}).items():
            (Path(before) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(before) / name).write_text(text)
        Path(before).chmod(0o755)  # it becomes the mode of /
        _mmdebstrap(target, packages, suite, before)


def _mmdebstrap(target: Path, packages: Sequence[str], suite: str, before: str) -> None:
    argv = [
        # A lock ends with its owner, so what it protects has to: mmdebstrap and all its children.
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount-proc", "--pid", "--fork", "--kill-child"),
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}"),
        f"--setup-hook=sync-in {before} /",
        *(suite, str(target), *mirrors(suite)),
    ]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=1800, check=False)
    if done.returncode:
        shutil.rmtree(target, ignore_errors=True)
        raise RuntimeError(f"mmdebstrap ended with {done.returncode}: {done.stderr.decode()}")


def mirrors(suite: str) -> list[str]:
    """Sources lines for the Debian mirrors that this machine's apt uses; none: mmdebstrap has a default."""
    if shutil.which("apt-get") is None:
        return []
    form = ["--format", "$(LABEL) $(REPO_URI)"]
    listed = subprocess.run(
        ["apt-get", "indextargets", *form, "Created-By: Packages", "Origin: Debian"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    uris = dict(line.rsplit(" ", 1) for line in listed.splitlines())
    if not {"Debian", "Debian-Security"} <= uris.keys():
        return []
    if suite == "sid":  # has neither updates nor security
        return [f"deb {uris['Debian']} sid main"]
    return [
        f"deb {uris['Debian']} {suite} main",
        f"deb {uris['Debian']} {suite}-updates main",
        f"deb {uris['Debian-Security']} {suite}-security main",
    ]
