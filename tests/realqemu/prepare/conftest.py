"""A Debian host whose packages may be broken: a lab for these tests alone, its apt and dpkg the real ones."""

from collections.abc import Iterator

import pytest

import kvmkit as kk
from tests.lab.lab import Lab
from tests.lab.packages import PACKAGES_URL, Package, serve, use

PACKAGES = (
    Package("kvmkit-base"),
    Package("kvmkit-tool", depends="kvmkit-base"),
    Package("kvmkit-large", depends="kvmkit-base", size=4 * 2**20),
    # Holds dpkg's lock until it is told to go on.
    Package("kvmkit-slow", postinst="until [ -e /run/go-on ]; do sleep 0.1; done"),
)


@pytest.fixture(scope="package")
def debian() -> Iterator[Lab]:
    """Give a lab whose apt knows the packages above and no others."""
    if reason := Lab.unavailable():
        pytest.skip(f"no lab: {reason}")
    with Lab() as lab:
        host = kk.connect(lab.ssh_uri)
        serve(host, PACKAGES)
        use(host, PACKAGES_URL)
        yield lab


@pytest.fixture
def host(debian: Lab) -> Iterator[kk.Host]:
    """Give that lab's host; afterwards none of its packages is left."""
    host = kk.connect(debian.ssh_uri)
    yield host
    names = [package.name for package in PACKAGES]
    debian.run(["dpkg", "--purge", "--force-all", *names])
    debian.run(["sh", "-c", "rm -f /var/cache/apt/archives/*.deb"])
