"""A pool that fills up while a guest writes to its disk: QEMU pauses the guest, which says nothing itself."""

from pathlib import Path

import pytest

import kvmkit as kk
from tests.realqemu.install import tiny
from tests.realqemu.install.conftest import SMALL, resize
from tests.realqemu.vm.world import World

WRITES = "until [ -b /dev/vda ]; do sleep 1; done; dd if=/dev/zero of=/dev/vda bs=1M count=200"
FULL = rf"there is no room left where its disk vda \({SMALL}/\w+\.qcow2\) is kept: make some"
LITTLE = "100m"
"""Room for the installer's files, and half of what is written."""


def test_an_installer_for_which_there_is_no_room_is_told_at_once_and_taken_back(
    world: World, folder: Path, location: str, large_pool: Path
) -> None:
    tiny.script(folder, f"{WRITES}\n")
    before, plan = world.state(), tiny.plan(world.host, location, tiny.SCRIPT, pool="small")
    resize(world, LITTLE)
    with pytest.raises(kk.ApplyFailed, match=f"the VM is paused: {FULL}") as failed:
        kk.apply(plan)

    assert "the host is as before" in str(failed.value)
    assert world.state() == before
    assert list(large_pool.iterdir()) == []


def test_a_guest_goes_on_when_there_is_room_again(world: World, large_pool: Path) -> None:
    shell = f'console=ttyS0 rdinit=/bin/busybox -- sh -c "sh /etc/rcS; {WRITES} && echo all=$((1+1))"'
    plan = kk.plan_vm(world.host, world.linux(pool="small", kernel_args=shell))
    resize(world, LITTLE)
    report = kk.apply(plan)
    with pytest.raises(kk.WrongState, match=f"VM linux on .* is paused, so 'all=2' does not come: {FULL}"):
        kk.wait_for(world.host, "linux", "all=2")

    resize(world, "2g")
    kk.resume(world.host, "linux")
    assert kk.wait_for(world.host, "linux", "all=2").said.endswith("all=2")
    kk.undo(report)
