"""The LAN and its hosts, as in the netlab."""

from tests.netlab.conftest import booted, lan, pytest_generate_tests

__all__ = ["booted", "lan", "pytest_generate_tests"]
