"""The power fails while dpkg is at work: nothing is lost track of, and applying again makes a ready host."""

import threading

import pytest

import kvmkit as kk
from tests.vhost.host import VirtualHost

DPKG_SECONDS = 1800
"""A bound; it takes about three minutes until then on two processors that have nothing else to do."""
# Until some packages are unpacked, and dpkg still runs.
_UNTIL = """
until pgrep -x dpkg >/dev/null && dpkg-query -W -f '${db:Status-Status}' libvirt-daemon | grep -q unpacked; do
    sleep 0.2
done
"""


def cut_power_in_dpkg(vhost: VirtualHost) -> None:
    """Watch on the host what dpkg does, and cut the power when it is in the middle of it."""
    vhost.run(["sh", "-c", _UNTIL], timeout=DPKG_SECONDS)
    vhost.kill()


def test_applying_goes_on_where_dpkg_was_cut_off(bare: VirtualHost) -> None:
    host = kk.connect(bare.uri)
    plan = kk.plan_packages(host)
    cutting = threading.Thread(target=cut_power_in_dpkg, args=(bare,), daemon=True)
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
