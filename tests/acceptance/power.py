"""Cutting the virtual host's power in the middle of a plan, and going on with the plan afterwards."""

import threading
from typing import Any

import pytest

import kvmkit as kk
from kvmkit.journal import Entry
from tests.acceptance.guest import spec, wait_for_guest
from tests.vhost.host import VirtualHost

DPKG_SECONDS = 1800
"""A bound; it takes about three minutes until then on two processors that have nothing else to do."""
# Until some packages are unpacked, and dpkg still runs.
_UNTIL = """
until pgrep -x dpkg >/dev/null && dpkg-query -W -f '${db:Status-Status}' libvirt-daemon | grep -q unpacked; do
    sleep 0.2
done
"""


def cut_at_record(
    ready: VirtualHost, monkeypatch: pytest.MonkeyPatch, record: dict[str, Any], done: int
) -> None:
    """Cut the power when the journal of a plan that creates a VM has this record; then go on to its end."""
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


def cut_in_dpkg(bare: VirtualHost) -> kk.Host:
    """Cut the power while dpkg installs the packages; apply the plan to its end, which makes a ready host."""
    host = kk.connect(bare.uri)
    plan = kk.plan_packages(host)
    cutting = threading.Thread(target=_cut_when_unpacked, args=(bare,), daemon=True)
    cutting.start()
    with pytest.raises(kk.ApplyFailed, match=r"kk\.apply continues it"):
        kk.apply(plan)
    cutting.join()
    bare.start()

    assert bare.run(["dpkg", "--audit"]).stdout
    [left] = kk.pending(host)
    assert left.id == plan.id
    assert "1 of 2 steps are done" in left.notes[-1]
    assert not kk.check_host(host).ok

    assert kk.apply(left).ok
    assert kk.pending(host) == []
    assert bare.run(["dpkg", "--audit"]).stdout == ""
    assert kk.check_host(host).ok
    return host


def _cut_when_unpacked(vhost: VirtualHost) -> None:
    """Watch on the host what dpkg does, and cut the power when it is in the middle of it."""
    vhost.run(["sh", "-c", _UNTIL], timeout=DPKG_SECONDS)
    vhost.kill()
