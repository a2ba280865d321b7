"""What needs a full Debian mirror, which MIRROR names; refused where there is none."""

import gzip
import os
import re
import urllib.request

import pytest

from tests.acceptance.conftest import possible, ready

__all__ = ["possible", "ready"]

SUITE = "dists/bookworm/main"
NEEDED = ("anna", "grub-installer", "libc6-udeb", "partman-utils")
"""Some of the installer's components: who has these has them all."""


def ask(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 (whatever MIRROR names)
        return bytes(answer.read())


def why_not(mirror: str) -> str:
    """Say what a mirror lacks for an installation to come to its end; empty: nothing."""
    if not mirror:
        return "MIRROR=URL names none: the folder of a Debian mirror that has dists and pool"
    url = f"{mirror}/{SUITE}/debian-installer/binary-amd64/Packages.gz"
    try:
        index = gzip.decompress(ask(url)).decode()
        paths = dict(re.findall(r"^Package: (.+)\n(?:.+\n)*?Filename: (.+)$", index, re.MULTILINE))
        if missing := [name for name in NEEDED if name not in paths]:
            return f"{url} does not name {', '.join(missing)}"
        for name in NEEDED:
            url = f"{mirror}/{paths[name]}"
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=60):  # noqa: S310
                pass
    except (OSError, EOFError, ValueError) as error:
        return f"{url} is not there: {error}"
    return ""


@pytest.fixture(scope="session")
def mirror() -> str:
    named = os.environ.get("MIRROR", "").rstrip("/")
    if reason := why_not(named):
        pytest.exit(f"no full Debian mirror: {reason}", returncode=1)
    return named
