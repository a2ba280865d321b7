"""A bridge on a real machine, made through the very NIC that it is about, from another subnet."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kvmkit as kk
from kvmkit.bridge.read import read_network
from tests.acceptance.guest import BOOT_SECONDS, spec
from tests.acceptance.runbook import Stopped, run
from tests.lab.waiting import wait_until
from tests.vhost.on_lan import VirtualHostOnLan
from tests.vhost.pristine import pristine_on_lan

ADDRESS = re.compile(r"kvmkit guest address: (\S+)")


@pytest.fixture
def on_lan() -> Iterator[VirtualHostOnLan]:
    with pristine_on_lan("ready") as host:
        yield host


def bridge(**wishes: Any) -> kk.BridgeSpec:
    # A trial has to last as long as an emulated machine takes over SSH.
    return kk.BridgeSpec(**{"nic": "eth0", "bridge": "br0", "allow_guest": True, "timeout": 300} | wishes)


def network(host: kk.Host) -> tuple[Any, ...]:
    """Tell all that a bridge changes; a lease's time and the order of links aside."""
    found = read_network(host)
    links = {link.name: (link.addresses, link.master, link.mac, link.up) for link in found.links}
    return links, set(found.routes), found.dns, found.files


def on_bridge(host: kk.Host) -> str:
    """Give the addresses that the host has on br0."""
    return str(kk.bridges(host)["addresses"]["br0"])


def by_runbook(on_lan: VirtualHostOnLan, into: Path, wishes: kk.BridgeSpec) -> str:
    """Put the card into a bridge by the runbook, confirmed as by somebody who has read the plan; its id."""
    plan = kk.plan_bridge(kk.connect(on_lan.uri), wishes)
    run("30-bridge", into, uri=on_lan.uri, confirm=plan.id, **wishes.model_dump(exclude_defaults=True))
    return plan.id


def test_a_bridge_is_made_through_its_own_nic_and_cuts_nobody_off(
    on_lan: VirtualHostOnLan, tmp_path: Path
) -> None:
    host = kk.connect(on_lan.uri)
    before = network(host)
    wrong = bridge(addressing="static", address=f"{on_lan.address}/24", gateway="192.168.0.254", timeout=60)
    with pytest.raises(Stopped, match=r"a fresh connection: .*: the host put its network back at"):
        by_runbook(on_lan, tmp_path, wrong)
    assert network(host) == before
    assert kk.pending(host) == []

    plan_id = by_runbook(on_lan, tmp_path, bridge())
    # The article's own check: the address is on the bridge now.
    assert on_bridge(host) == f"{on_lan.address}/24"

    on_lan.reboot()
    assert on_bridge(host) == f"{on_lan.address}/24"
    assert kk.plan_bridge(host, bridge()).empty

    assert kk.apply(kk.plan_vm(host, spec(on_lan).model_copy(update={"bridge": "br0"}))).ok
    [address] = wait_until(
        lambda: ADDRESS.findall(kk.console_log(host, "web1")), "the router's address for a VM", BOOT_SECONDS
    )
    assert on_lan.ping_from_router(address)

    kk.destroy(host, "web1")
    assert kk.undo(host, plan_id).ok
    assert network(host) == before
