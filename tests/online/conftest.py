"""What needs a full Debian mirror, which MIRROR names; refused where there is none."""

import gzip
import os
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
        for paragraph in index.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line[1:])
            if fields.get("Package") in NEEDED:
                url = f"{mirror}/{fields['Filename']}"
                with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=60):  # noqa: S310
                    pass
    except (OSError, ValueError) as error:
        return f"{url} is not there: {error}"
    return ""


@pytest.fixture(scope="session")
def mirror() -> str:
    named = os.environ.get("MIRROR", "").rstrip("/")
    if reason := why_not(named):
        pytest.exit(f"no full Debian mirror: {reason}", returncode=1)
    return named
