"""tools/npm-files with an npm of our own: what comes must be what was pinned."""

import base64
import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path
from shutil import which

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "npm-files"
TOOLS = ["cp", "dirname", "gzip", "mkdir", "mktemp", "mv", "realpath", "rm", "sh", "tail", "tar"]
# As `npm pack --silent --pack-destination FOLDER NAME@VERSION` does, without a registry.
NPM = """#!/bin/sh
[ "$1 $2 $3 $5" = "pack --silent --pack-destination terminal@1.0.0" ] && cp "{tarball}" "$4"
"""


class Checkout:
    """A copy of the script beside a virtual environment whose npm gives one package."""

    def __init__(self, folder: Path) -> None:
        package = folder / "package"
        (package / "lib").mkdir(parents=True)
        for name in ("lib/terminal.js", "lib/font-1.woff2", "README.md"):
            (package / name).write_text(name, encoding="utf-8")
        tarball = folder / "terminal-1.0.0.tgz"
        with tarfile.open(tarball, "w:gz") as packed:
            packed.add(package, "package")
        self.sha512 = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
        self.into = folder / "into"
        self.script = folder / "tools" / "npm-files"
        self.script.parent.mkdir()
        self.script.symlink_to(SCRIPT)
        bin_folder = folder / ".venv" / "bin"
        bin_folder.mkdir(parents=True)
        (bin_folder / "python").symlink_to(sys.executable)
        self.npm = bin_folder / "npm"
        self.npm.write_text(NPM.format(tarball=tarball), encoding="utf-8")
        self.npm.chmod(0o755)
        # No npm of this machine: it would ask a registry.
        self.path = folder / "path"
        self.path.mkdir()
        for tool in TOOLS:
            (self.path / tool).symlink_to(which(tool) or tool)

    def run(self, sha512: str, package: str = "terminal") -> subprocess.CompletedProcess[str]:
        wanted = ["lib/*.woff2", "lib/terminal.js"]
        return subprocess.run(
            [self.script, self.into, package, "1.0.0", sha512, *wanted],
            env={"PATH": str(self.path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_files_asked_for_are_put_there_and_no_others(checkout: Checkout) -> None:
    done = checkout.run(checkout.sha512)

    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in checkout.into.iterdir()) == ["font-1.woff2", "terminal.js"]


def test_a_package_that_is_not_what_it_was_is_refused(checkout: Checkout) -> None:
    done = checkout.run("AAAA")

    assert done.returncode == 1
    assert f"its sha512 is {checkout.sha512}, and should be AAAA" in done.stderr
    assert not checkout.into.exists()


def test_without_an_answer_from_the_registry_it_says_so(checkout: Checkout) -> None:
    done = checkout.run(checkout.sha512, "another")

    assert done.returncode == 77
    assert "another can't be had: the npm registry" in done.stderr
    assert not checkout.into.exists()


def test_without_npm_it_says_what_is_missing(checkout: Checkout) -> None:
    checkout.npm.unlink()
    done = checkout.run(checkout.sha512)

    assert done.returncode == 77
    assert "there is no npm" in done.stderr
