"""Debian's own installer, in an archive's layout, without the components that it asks for next.

Its kernel and initrd come from a package; the archive's index is what apt fetches. What the index names is
not there: the installer gets as far as loading its components, and then says so.
"""

import shutil
import subprocess
from pathlib import Path

from tests.lab import debian
from tests.lab.cache import build_once, cache, digest

PACKAGE = "debian-installer-12-netboot-amd64"
IMAGES = "usr/lib/debian-installer/images/12/amd64/text"
SUITE = "dists/bookworm"
TREE = f"{SUITE}/main/installer-amd64/current/images/"
INDEX = f"{SUITE}/main/debian-installer/binary-amd64/Packages"


def unavailable() -> str:
    """Say why it cannot be had here; empty when it can."""
    return "" if shutil.which("apt-get") else "Debian's installer is fetched by apt-get, which is not here"


def build() -> Path:
    """Make the archive unless it is there, about ten seconds and 50 MB; needs the mirror."""
    return build_once(cache("standin") / f"di-{digest(Path(__file__), Path(debian.__file__))}", _make)


def _make(archive: Path) -> None:
    scratch = archive / "scratch"
    for name in ("lists/partial", "cache/archives/partial"):
        (scratch / name).mkdir(parents=True)
    _run(scratch, "apt-get", "-q", "download", PACKAGE)
    [package] = scratch.glob("*.deb")
    _run(scratch, "dpkg-deb", "--extract", str(package), "content")
    (archive / TREE).mkdir(parents=True)
    (scratch / "content" / IMAGES).rename(archive / TREE / "netboot")
    _fetch_index(scratch, archive)
    shutil.rmtree(scratch)


def _fetch_index(scratch: Path, archive: Path) -> None:
    source = next(line for line in debian._mirrors() if f" {debian.SUITE} " in line)
    (scratch / "sources.list").write_text(f"{source}/debian-installer\n")
    settings = [
        f"Dir::Etc::sourcelist={scratch}/sources.list",
        "Dir::Etc::sourceparts=/dev/null",
        f"Dir::State::lists={scratch}/lists",
        f"Dir::Cache={scratch}/cache",
        "Acquire::GzipIndexes=false",
        "APT::Sandbox::User=root",
    ]
    _run(scratch, "apt-get", *(word for setting in settings for word in ("-o", setting)), "-q", "update")
    [signed] = (scratch / "lists").glob("*_InRelease")
    [index] = (scratch / "lists").glob("*_Packages")
    (archive / INDEX).parent.mkdir(parents=True)
    shutil.copyfile(index, archive / INDEX)
    shutil.copyfile(signed, archive / SUITE / "InRelease")
    # What is signed, between the marks of OpenPGP (RFC 9580, 7).
    text = signed.read_text().partition("\n\n")[2].partition("-----BEGIN PGP SIGNATURE-----")[0]
    (archive / SUITE / "Release").write_text(text)


def _run(folder: Path, *argv: str) -> None:
    done = subprocess.run(
        argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}: {done.stderr.decode()}")


if __name__ == "__main__":
    print(build())  # noqa: T201 (it talks to a person at a terminal)
