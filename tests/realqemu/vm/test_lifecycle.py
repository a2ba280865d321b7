"""The verbs on a guest that reacts, and on one that does not."""

import pytest

import kvmkit as kk
from tests.lab.waiting import wait_until
from tests.realqemu.screen import shows_a_menu
from tests.realqemu.vm.conftest import ISO
from tests.realqemu.vm.world import IMAGES, READY, World

CD = "kvmkit guest CD: ISOIMAGE"
NO_CD = "kvmkit guest CD: none"


def state(host: kk.Host, name: str) -> str:
    return str(kk.vms(host).loc[name, "state"])


def inserted(world: World, *, kept: bool) -> str | None:
    source = world.xml("linux", kept=kept).find("devices/disk[@device='cdrom']/source")
    return None if source is None else source.get("file")


def test_a_cd_goes_in_and_out_while_the_guest_runs(world: World, host: kk.Host) -> None:
    kk.apply(kk.plan_vm(host, world.linux(disk_gib=0)))
    world.wait_for("linux", READY)

    for times in (1, 2):
        kk.insert_media(host, "linux", ISO)
        world.wait_for("linux", CD, times)
        assert inserted(world, kept=False) == inserted(world, kept=True) == f"{IMAGES}/{ISO}"
        with pytest.raises(kk.WrongState, match=f"holds {IMAGES}/{ISO}"):
            kk.insert_media(host, "linux", ISO)

        kk.eject_media(host, "linux")
        world.wait_for("linux", NO_CD, times)
        assert inserted(world, kept=False) is inserted(world, kept=True) is None
        with pytest.raises(kk.WrongState, match="is empty already"):
            kk.eject_media(host, "linux")

    with pytest.raises(kk.NotFound, match=f"ISOs there: {ISO}"):
        kk.insert_media(host, "linux", world.lab.iso)
    assert state(host, "linux") == "running"


def test_a_guest_that_reacts(world: World, host: kk.Host) -> None:
    kk.apply(kk.plan_vm(host, world.linux(disk_gib=0)))
    world.wait_for("linux", READY)

    kk.reboot(host, "linux")
    world.wait_for("linux", READY, times=2)
    assert state(host, "linux") == "running"

    kk.suspend(host, "linux")
    assert state(host, "linux") == "suspended"
    with pytest.raises(kk.WrongState, match="it is suspended, not running"):
        kk.shutdown(host, "linux")
    kk.resume(host, "linux")
    assert state(host, "linux") == "running"

    kk.shutdown(host, "linux", timeout=120)
    assert state(host, "linux") == "shut off"
    assert "kvmkit guest powering off" in kk.console_log(host, "linux")
    with pytest.raises(kk.WrongState, match="it is shut off, not"):
        kk.resume(host, "linux")
    with pytest.raises(kk.WrongState, match="has no picture: it is shut off"):
        kk.screenshot(host, "linux")

    kk.start(host, "linux")
    assert kk.console_log(host, "linux").count(READY) <= 1
    kk.destroy(host, "linux")
    assert state(host, "linux") == "shut off"
    told = [what.removesuffix(" VM linux") for what in kk.history(host)["what"]]
    assert sorted(told) == ["create", "destroy", "reboot", "resume", "shutdown", "start", "suspend"]


def test_a_guest_that_does_not_react_is_never_forced(world: World, host: kk.Host) -> None:
    kk.apply(kk.plan_vm(host, kk.VMSpec(name="deaf", memory_mib=64, disk_gib=0, cdrom=ISO)))
    wait_until(lambda: shows_a_menu(kk.screenshot(host, "deaf")), "GRUB's menu on the screen")

    with pytest.raises(kk.ShutdownTimeout, match=r"VM deaf .* still runs 0\.5 s after .*kk\.destroy"):
        kk.shutdown(host, "deaf", timeout=0.5)

    assert state(host, "deaf") == "running"
    kk.destroy(host, "deaf")
    assert state(host, "deaf") == "shut off"


def test_a_vm_that_is_not_there(world: World, host: kk.Host) -> None:
    world.define("other")
    for verb in (kk.start, kk.shutdown, kk.destroy, kk.reboot, kk.suspend, kk.resume, kk.eject_media):
        with pytest.raises(kk.NotFound, match=r"no VM 'nobody' .* it has: other"):
            verb(host, "nobody")
