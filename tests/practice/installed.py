"""Installations of the wheel in virtual environments of their own, with what the wheel asks for and no more.

Without a network: what the wheel asks for is linked from the environment that runs the tests.
"""

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from zipfile import Path as InZip

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240
"""Bound of each command and wait; each takes a second or a few."""


@dataclass(frozen=True)
class Installation:
    """A virtual environment, and the home of the person who uses it."""

    prefix: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the environment that runs the tests."""
        return {"HOME": str(self.home), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}

    def argv(self, *words: str) -> list[str]:
        """Give the command line of the installed command."""
        return [str(self.prefix / "bin" / "kvmkit"), *words]

    def kvmkit(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the installed command to its end, in the person's home."""
        return subprocess.run(
            self.argv(*words),
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )


def build(folder: Path) -> tuple[Path, Path]:
    """Build sdist and wheel as `make dist` does, without the set-up that has been made already."""
    made = ("system", ".venv/stamp", "kvmkit/forms/xterm/xterm.js")
    options = [
        *(f"--old-file={name}" for name in made),
        f"BIN={Path(sys.executable).parent}",
        f"DIST={folder}",
    ]
    subprocess.run(["make", "-s", *options, "dist"], cwd=ROOT, check=True, timeout=SECONDS)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def install(
    folder: Path, wheel: Path, extras: Iterable[str] = (), *, without: Iterable[str] = ()
) -> Installation:
    """Install the wheel and what it asks for with these extras, but for what is left out."""
    prefix, home = folder / "venv", folder / "home"
    home.mkdir(parents=True)
    venv.create(prefix, symlinks=True)
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(prefix)]
    subprocess.run([*uv, "--no-deps", "--offline", str(wheel)], check=True, timeout=SECONDS)
    # Of the wheel itself, and not of the tests' own kvmkit, which is another installation.
    info = next(path for path in InZip(wheel).iterdir() if path.name.endswith(".dist-info"))
    asked_for = _asked_for(PathDistribution(info), extras)
    _link({name: found for name, found in asked_for.items() if name not in without}, prefix)
    return Installation(prefix, home)


def _asked_for(whole: Distribution, extras: Iterable[str]) -> dict[str, Distribution]:
    """Find what a distribution asks for, what that asks for, and so on; each in a version that will do."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    ahead = [(whole, frozenset(extras))]
    while ahead:
        asking, wanted = ahead.pop()
        for line in asking.requires or ():
            asked = Requirement(line)
            if asked.marker and not any(asked.marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                continue
            name = canonicalize_name(asked.name)
            if (name, frozenset(asked.extras)) in seen:
                continue
            seen.add((name, frozenset(asked.extras)))
            found[name] = distribution(name)
            assert asked.specifier.contains(found[name].version, prereleases=True), f"{asking.name}: {line}"
            ahead.append((found[name], frozenset(asked.extras)))
    return found


def _link(distributions: Mapping[str, Distribution], prefix: Path) -> None:
    """Link what these distributions have, but for commands, to the same places in another environment."""
    packages = Path(sysconfig.get_path("purelib"))
    owners: dict[Path, set[str]] = {}
    for name, found in distributions.items():
        for file in found.files or ():
            place = Path(os.path.normpath(str(file.locate())))
            # A package as one folder; what several share, as Jupyter's share/ and etc/, by its files.
            own = place.is_relative_to(packages) and file.parts[0] != "__pycache__"
            owners.setdefault(packages / file.parts[0] if own else place, set()).add(name)
    assert not [place for place, names in owners.items() if place.is_dir() and len(names) > 1]
    for place in owners:
        inside = place.relative_to(sys.prefix)
        if inside.parts[0] != "bin" and place.exists():
            (prefix / inside).parent.mkdir(parents=True, exist_ok=True)
            (prefix / inside).symlink_to(place)
