"""A machine whose package manager is dnf, with a repository of small packages on it."""

from collections.abc import Iterator

import pytest

import kvmkit as kk
from tests.dnf import root
from tests.dnf.rpms import Package, add
from tests.lab.machine import Machine, unavailable

# What a killed transaction leaves: this package's script kills dnf, which runs it, when it is told to.
BASE = Package("base", post="test ! -e /run/kill || kill -KILL $PPID")
TOOL = Package("tool", header="Requires: base")


@pytest.fixture
def machine() -> Iterator[Machine]:
    if reason := unavailable(root.path()):
        pytest.skip(f"no dnf: {reason}")
    with Machine("rpms", root.build) as machine:
        add(machine, BASE, TOOL)
        yield machine


@pytest.fixture
def host(machine: Machine) -> kk.Host:
    return kk.connect(machine.ssh_uri)
