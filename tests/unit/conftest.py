"""What unit tests share."""

import pytest
from hypothesis import settings

from tests.unit.world import World, enter

# The same examples in each run, however slow the machine is: no test fails that did not fail before.
settings.register_profile("kvmkit", deadline=None, derandomize=True, database=None)
settings.load_profile("kvmkit")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Give a world of things that steps make."""
    return enter(monkeypatch)
