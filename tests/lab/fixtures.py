"""The fixture that gives a test session its KVM host; a tier's conftest.py imports it."""

from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    if reason := Lab.unavailable():
        pytest.skip(f"no lab: {reason}")
    with Lab() as running:
        yield running
