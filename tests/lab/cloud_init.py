"""A root folder with cloud-init, which is asked there what it thinks: installed elsewhere it is a service."""

from pathlib import Path

from tests.lab import debian
from tests.lab.cache import build_once, cache, digest

PACKAGES = ("cloud-init",)


def path() -> Path:
    """Where the root of this recipe is, built or not."""
    return cache("lab") / f"cloud-init-{digest(debian.SUITE, Path(__file__), Path(debian.__file__))}"


def build() -> Path:
    """Make the root unless it is there, about a minute and 300 MB; needs root and the mirror."""
    return build_once(path(), lambda root: debian.bootstrap(root, PACKAGES))
