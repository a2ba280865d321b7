"""The LAN and its hosts, as in the netlab; the virtual hosts, as in the acceptance tests; the lab."""

from tests.acceptance.conftest import possible, ready, selinux
from tests.lab.fixtures import lab
from tests.netlab.conftest import booted, lan, pytest_generate_tests

__all__ = ["booted", "lab", "lan", "possible", "pytest_generate_tests", "ready", "selinux"]
