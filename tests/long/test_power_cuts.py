"""The host's power is cut at more moments than in the acceptance tests."""

from typing import Any

import pytest

from tests.acceptance.power import cut_at_record, cut_in_dpkg
from tests.vhost.host import VirtualHost


@pytest.mark.parametrize(
    ("record", "done"),
    [
        pytest.param({"step": 1, "state": "started"}, 1, id="before the VM is defined"),
        pytest.param({"step": 2, "state": "done"}, 3, id="while the VM runs"),
    ],
)
def test_a_plan_goes_on_after_a_power_cut(
    ready: VirtualHost, monkeypatch: pytest.MonkeyPatch, record: dict[str, Any], done: int
) -> None:
    cut_at_record(ready, monkeypatch, record, done)


def test_applying_goes_on_where_dpkg_was_cut_off(bare: VirtualHost) -> None:
    """The acceptance tests have it on Debian 12."""
    cut_in_dpkg(bare)
