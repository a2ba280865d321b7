"""The host's power is cut in the middle of a plan: the journal knows where it stood, and applying goes on."""

from typing import Any

import pytest

import kvmkit as kk
from kvmkit.journal import Entry
from tests.acceptance.guest import spec, wait_for_guest
from tests.vhost.host import VirtualHost


@pytest.mark.parametrize(
    ("record", "done"),
    [
        pytest.param({"step": 1, "state": "started"}, 1, id="before the VM is defined"),
        pytest.param({"step": 2, "state": "started"}, 2, id="before the VM is started"),
        pytest.param({"step": 2, "state": "done"}, 3, id="while the VM runs"),
    ],
)
def test_a_plan_goes_on_after_a_power_cut(
    ready: VirtualHost, monkeypatch: pytest.MonkeyPatch, record: dict[str, Any], done: int
) -> None:
    host = kk.connect(ready.uri)
    plan = kk.plan_vm(host, spec(ready))
    write = Entry.write

    def write_then_cut(entry: Entry, **written: Any) -> None:
        write(entry, **written)
        if written == record:
            if done == 3:
                # Else it may be left with an AppArmor profile that was cut off, which libvirt does not mend.
                ready.run(["sync"])
            ready.kill()

    monkeypatch.setattr(Entry, "write", write_then_cut)
    with pytest.raises(kk.ApplyFailed, match=r"kk\.apply continues it"):
        kk.apply(plan)
    monkeypatch.setattr(Entry, "write", write)
    ready.start()

    [left] = kk.pending(host)
    assert left.id == plan.id
    assert f"{done} of 3 steps are done" in left.notes[-1]
    assert kk.apply(left).ok
    assert kk.pending(host) == []
    wait_for_guest(host)
    assert kk.vms(host).loc["web1", "state"] == "running"
    assert kk.undo(host, plan.id).ok
    assert kk.vms(host).empty
    assert kk.volumes(host).empty
