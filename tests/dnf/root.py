"""The root folder of a machine whose package manager is dnf: Debian has it, and what makes a repository."""

from pathlib import Path

from tests.lab import debian
from tests.lab.cache import build_once, cache, digest

PACKAGES = ("dnf", "rpm", "createrepo-c", "gnupg", "openssh-server", "iproute2")


def path() -> Path:
    """Where the root of this recipe is, built or not."""
    return cache("lab") / f"dnf-{digest(debian.SUITE, Path(__file__), Path(debian.__file__))}"


def build() -> Path:
    """Make the root unless it is there, about a minute and 400 MB; needs root and the mirror."""
    return build_once(path(), _make)


def _make(root: Path) -> None:
    debian.bootstrap(root, PACKAGES)
    # Else apt would count as its package manager. What is installed there is installed by dnf alone.
    (root / "usr/bin/apt-get").unlink()
    # Where dnf looks for repositories; every distribution of its own comes with that folder.
    (root / "etc/yum.repos.d").mkdir()
