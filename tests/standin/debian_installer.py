"""Debian's own installer, in an archive's layout, without the components that it loads next.

Its kernel and initrd come from a package, the archive's index and its signature from apt. What the index
names is not there: the installer's components are in full mirrors alone. So it gets as far as loading
them, and then says so.
"""

import hashlib
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
ABOUT = "main/binary-amd64/Release"
"""What the archive says of its packages for this architecture, below the suite."""
SIGNATURE = "-----BEGIN PGP SIGNATURE-----"


def unavailable() -> str:
    """Say why it cannot be had here; empty when it can."""
    return (
        ""
        if debian.mirrors("bookworm")
        else "Debian's installer is fetched by apt from a Debian mirror: none here"
    )


def build() -> Path:
    """Make the archive unless it is there, about ten seconds and 50 MB; needs the mirror."""
    return build_once(cache("standin") / f"di-{digest(Path(__file__))}", _make)


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
    source = debian.mirrors("bookworm")[0]
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
    # A signature within a text is the same as one beside it, but for the text's last line end (RFC 9580, 7).
    text, mark, signature = signed.read_text().partition("\n\n")[2].partition(f"\n{SIGNATURE}")
    (archive / SUITE / "Release").write_text(text)
    (archive / SUITE / ABOUT).parent.mkdir()
    (archive / SUITE / ABOUT).write_text(_about(text))
    (archive / SUITE / "Release.gpg").write_text(mark.lstrip() + signature)


def _about(release: str) -> str:
    """Write the file that apt does not fetch, from what the archive says of itself; its checksum is there."""
    fields = dict(line.split(": ", 1) for line in release.splitlines() if ": " in line)
    told = {name: fields[name] for name in ("Origin", "Label", "Version", "Acquire-By-Hash")}
    about = {"Archive": fields["Suite"]} | told | {"Component": "main", "Architecture": "amd64"}
    text = "".join(f"{name}: {value}\n" for name, value in about.items())
    if f" {hashlib.sha256(text.encode()).hexdigest()} {len(text):8} {ABOUT}" not in release.splitlines():
        raise RuntimeError(f"the archive's {ABOUT} is not what it was expected to be: {text}")
    return text


def _run(folder: Path, *argv: str) -> None:
    done = subprocess.run(
        argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}: {done.stderr.decode()}")


if __name__ == "__main__":
    print(build())  # noqa: T201 (it talks to a person at a terminal)
