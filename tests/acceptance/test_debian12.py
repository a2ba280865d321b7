"""Debian 12, the release before: one bare server of it becomes a KVM host with a VM on its bridge.

In one go, as installing packages is what takes an emulated machine longest; and the power fails while dpkg is
at work: nothing is lost track of, and applying again makes a ready host.
"""

from collections.abc import Iterator

import pytest

import kvmkit as kk
from tests.acceptance.bridge import bridge, leased_by_guest, on_bridge
from tests.acceptance.guest import bring_guest, spec
from tests.acceptance.power import cut_in_dpkg
from tests.vhost.host import VirtualHost
from tests.vhost.pristine import pristine


@pytest.fixture
def bookworm() -> Iterator[VirtualHost]:
    with pristine("bare", "bookworm") as host:
        yield host


def test_a_bare_debian_12_is_prepared_over_a_power_cut_and_bridges_a_vm(bookworm: VirtualHost) -> None:
    assert bookworm.run(["cat", "/etc/debian_version"]).stdout.startswith("12.")
    host = cut_in_dpkg(bookworm)
    assert kk.apply(kk.plan_defaults(host)).ok
    bring_guest(bookworm)

    address = bookworm.run(["hostname", "--all-ip-addresses"]).stdout.split()[0]
    assert kk.apply(kk.plan_bridge(host, bridge())).ok
    assert on_bridge(host).startswith(f"{address}/")
    assert kk.apply(kk.plan_vm(host, spec(bookworm).model_copy(update={"bridge": "br0"}))).ok
    bookworm.run(["ping", "-c", "1", "-W", "30", leased_by_guest(host)])
    asked = ["virsh", "qemu-monitor-command", "web1", "--hmp", "info kvm"]
    assert host.run(asked).stdout.strip() == "kvm support: enabled"
