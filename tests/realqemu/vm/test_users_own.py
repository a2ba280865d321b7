"""A user without rights has VMs of their own, by qemu:///session."""

import pytest

import kvmkit as kk
from tests.realqemu.vm.world import World

USER = "alice"
IMAGES = f"/home/{USER}/images"


@pytest.fixture
def session(world: World) -> kk.Host:
    """Give the lab as a user sees it who may log in, and nothing more."""
    run = world.lab.run
    run(["useradd", "--create-home", USER])
    run(["cp", "-r", "/root/.ssh", f"/home/{USER}"])
    run(["mkdir", IMAGES])
    run(["chown", "-R", USER, f"/home/{USER}"])
    host = kk.connect(world.host.uri.replace("root@lab/system", f"{USER}@lab/session"))
    with host.changing("make a pool") as connection:
        pool = f"<pool type='dir'><name>default</name><target><path>{IMAGES}</path></target></pool>"
        connection.storagePoolCreateXML(pool)
    return host


def test_a_vm_of_ones_own_is_made_looked_at_and_deleted(world: World, session: kk.Host) -> None:
    with pytest.raises(kk.InvalidSpec, match="network: 'default': that network is not there"):
        kk.plan_vm(session, kk.VMSpec(name="own"))
    before = world.state()

    plan = kk.plan_vm(session, kk.VMSpec(name="own", memory_mib=64, disk_gib=1, network=""))
    report = kk.apply(plan)

    assert kk.vms(session).loc[["own"], ["state", "memory_mib"]].values.tolist() == [["running", 64]]
    owner = world.lab.run(["stat", "-c", "%U", f"{IMAGES}/own.qcow2"]).stdout
    assert owner == f"{USER}\n"
    assert kk.screenshot(session, "own").width > 0
    with pytest.raises(kk.Unsupported, match=r"is not logged; VMs that kvmkit makes on …/system are"):
        kk.console_log(session, "own")
    assert world.state() == before

    kk.undo(report)
    assert list(world.file(IMAGES).iterdir()) == []
    kk.apply(plan)
    kk.apply(kk.plan_undefine(session, "own", delete_storage=True))
    assert kk.vms(session).empty
    assert list(world.file(IMAGES).iterdir()) == []
