"""The picture of a real host: libvirt's own bridge, and the tap by which a VM is on it while it runs."""

import re

import kvmkit as kk
from tests.realqemu.vm.world import World

NIC = "<interface type='network'><source network='default'/></interface>"


def test_a_vm_is_on_libvirts_bridge_by_its_tap_while_it_runs(world: World, host: kk.Host) -> None:
    world.define("one", more=NIC)
    world.define("alone")
    before = str(kk.topology(host))
    kk.start(host, "one")
    picture = str(kk.topology(host))
    kk.destroy(host, "one")

    [bridge] = [found for found in picture.split("\n") if "network default, NAT" in found]
    assert re.fullmatch(r"virbr\d+: network default, NAT, \d+\.\d+\.\d+\.\d+/\d+", bridge)
    assert re.search(r"\n  VM one: running, by vnet\d+\n", picture)
    assert "card vnet" not in picture
    assert not re.search("^vnet", picture, re.MULTILINE)
    assert "\nwithout a network card:\n  VM alone: shut off" in picture
    assert str(kk.topology(host)) == before
    assert "\n  VM one: shut off\n" in before
