"""The host's power is cut in the middle of a plan: the journal knows where it stood, and applying goes on.

One moment of those that `tests/long/test_power_cuts.py` has.
"""

import pytest

from tests.acceptance.power import cut_at_record
from tests.vhost.host import VirtualHost


def test_a_plan_goes_on_after_a_power_cut_before_the_vm_is_started(
    ready: VirtualHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_at_record(ready, monkeypatch, {"step": 2, "state": "started"}, 2)
