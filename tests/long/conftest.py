"""The LAN and its hosts, as in the netlab; the virtual hosts, as in the acceptance tests; the lab."""

from tests.acceptance.conftest import possible, ready, selinux
from tests.lab.fixtures import lab
from tests.netlab.conftest import booted, lan, pytest_generate_tests
from tests.realqemu.install.conftest import large_pool
from tests.realqemu.install.tiny import folder, location, printed
from tests.realqemu.vm.conftest import _iso, world

__all__ = [
    "_iso",
    "booted",
    "folder",
    "lab",
    "lan",
    "large_pool",
    "location",
    "possible",
    "printed",
    "pytest_generate_tests",
    "ready",
    "selinux",
    "world",
]
