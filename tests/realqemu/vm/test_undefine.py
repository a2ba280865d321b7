"""Deleting a VM takes what is its own, all of it, and nothing else."""

from collections.abc import Callable

import libvirt
import pytest

import kvmkit as kk
from tests.realqemu.vm.conftest import ISO
from tests.realqemu.vm.world import IMAGES, World

NVRAM = "/var/lib/libvirt/qemu/nvram/small_VARS.fd"
DISK = f"{IMAGES}/small.qcow2"
BY_POOL = """<disk type='volume' device='disk'>
  <driver name='qemu' type='qcow2'/><source pool='default' volume='small.qcow2'/>
  <target dev='vda' bus='virtio'/>
</disk>"""
SNAPSHOT = "<domainsnapshot><name>first</name></domainsnapshot>"


def save(domain: libvirt.virDomain) -> None:
    domain.create()
    domain.managedSave()


CHANGES: dict[str, Callable[[libvirt.virDomain], object]] = {
    "more memory": lambda domain: domain.setMemoryFlags(32 * 1024, libvirt.VIR_DOMAIN_AFFECT_CONFIG),
    "a snapshot": lambda domain: domain.snapshotCreateXML(SNAPSHOT),
    "no autostart": lambda domain: domain.setAutostart(0),
    "started": lambda domain: domain.create(),
    "saved": save,
}
"""What somebody else may do to a VM that is off; undo could give none of it back."""


@pytest.fixture
def _small(small_plan: kk.Plan) -> None:
    kk.apply(small_plan)


def delete(host: kk.Host) -> kk.Plan:
    plan = kk.plan_undefine(host, "small", delete_storage=True)
    assert kk.apply(plan).ok
    return plan


def test_a_running_vm_leaves_nothing(world: World, host: kk.Host, small_plan: kk.Plan) -> None:
    before = world.state()
    kk.apply(small_plan)

    plan = kk.plan_undefine(host, "small", delete_storage=True)
    assert world.state().keys() > before.keys()
    kk.apply(plan)

    assert world.state() == before
    assert kk.vms(host).empty
    assert list(kk.volumes(host).index) == [ISO]
    assert kk.pending(host) == []
    assert list(kk.history(host)["state"]) == ["done", "done"]
    assert f"{IMAGES}/{ISO} is kept: it is read-only or shared" in plan.notes


def test_what_libvirt_keeps_for_a_vm_goes_with_it(world: World, host: kk.Host, efi_plan: kk.Plan) -> None:
    before = world.state()
    kk.apply(efi_plan)
    kk.destroy(host, "small")
    with host.changing("take snapshots, and save") as connection:
        domain = connection.lookupByName("small")
        domain.snapshotCreateXML("<domainsnapshot><name>first</name></domainsnapshot>")
        domain.snapshotCreateXML("<domainsnapshot><name>second</name></domainsnapshot>")
        domain.create()
        domain.managedSave()
    saved = world.file("/var/lib/libvirt/qemu/save/small.save")
    assert saved.is_file()
    assert world.file(NVRAM).is_file()

    plan = kk.plan_undefine(host, "small", delete_storage=True)
    assert [step.lost for step in plan.steps][:3] == [
        "what VM small had in memory when it was saved",
        "VM small: its UEFI variables",
        "volume small.qcow2 and all that is on it",
    ]
    kk.apply(plan)

    assert world.state() == before


def test_without_its_storage_a_vm_comes_back_by_undo(world: World, host: kk.Host, efi_plan: kk.Plan) -> None:
    kk.apply(efi_plan)
    kk.destroy(host, "small")
    with host.changing("take a snapshot") as connection:
        snapshot = "<domainsnapshot><name>first</name></domainsnapshot>"
        connection.lookupByName("small").snapshotCreateXML(snapshot)
    before = world.state()

    report = kk.apply(kk.plan_undefine(host, "small"))

    assert kk.vms(host).empty
    for kept in (DISK, NVRAM, "/var/log/libvirt/qemu/small-console.log"):
        assert world.file(kept).is_file()
    kk.undo(report)
    assert world.state() == before


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("pools", [IMAGES, "/srv/elsewhere"])
@pytest.mark.parametrize("named", ["itself", "by a link"])
def test_a_disk_below_one_that_libvirt_has_not_seen_is_kept(
    world: World, host: kk.Host, pools: str, named: str
) -> None:
    kk.destroy(host, "small")
    below = DISK if named == "itself" else "/srv/images/small.qcow2"
    world.lab.run(["mkdir", "-p", pools])
    world.lab.run(["ln", "-sfn", IMAGES, "/srv/images"])
    world.lab.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below, f"{pools}/top"])
    world.define("sharer", f"{pools}/top")

    plan = delete(host)

    assert any(note.startswith(f"{DISK} is kept: it is in use by VM sharer") for note in plan.notes)
    assert world.file(DISK).is_file()
    world.lab.run(["rm", f"{pools}/top", "/srv/images"])


@pytest.mark.usefixtures("_small")
def test_a_disk_is_kept_when_nobody_can_tell_what_another_one_lies_on(world: World, host: kk.Host) -> None:
    kk.destroy(host, "small")
    world.file("/srv/odd").write_text("no image")
    world.define("odd", "/srv/odd", "/srv/gone")

    plan = delete(host)

    [note] = [
        note for note in plan.notes if note.startswith(f"{DISK} is kept: it is in use by VM odd perhaps")
    ]
    assert "it is not in qcow2 format" in note
    assert world.file(DISK).is_file()


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("named", ["by path", "by pool"])
def test_a_disk_that_another_vm_uses_is_kept(world: World, host: kk.Host, named: str) -> None:
    kk.destroy(host, "small")
    if named == "by path":
        world.define("sharer", DISK)
    else:
        world.define("sharer", more=BY_POOL)

    plan = delete(host)

    assert f"{DISK} is kept: it is in use by VM sharer" in plan.notes
    assert world.file(DISK).is_file()


@pytest.mark.usefixtures("_small")
def test_a_disk_that_others_lie_on_is_kept(world: World, host: kk.Host) -> None:
    kk.destroy(host, "small")
    middle = world.volume("middle.qcow2", backing=DISK)
    world.define("user", world.volume("top.qcow2", backing=middle))

    plan = delete(host)

    users = f"VM user, volume {middle}, volume {IMAGES}/top.qcow2"
    assert f"{DISK} is kept: it is in use by {users}" in plan.notes
    assert world.file(DISK).is_file()


@pytest.mark.usefixtures("_small")
def test_a_disk_that_comes_into_use_after_planning_is_kept(world: World, host: kk.Host) -> None:
    kk.destroy(host, "small")
    before = world.state()
    plan = kk.plan_undefine(host, "small", delete_storage=True)
    world.define("sharer", DISK)

    with pytest.raises(kk.ApplyFailed, match=r"small\.qcow2 is in use by VM sharer"):
        kk.apply(plan)

    assert world.state().items() > before.items()


@pytest.mark.usefixtures("_small")
def test_foreign_disks_are_kept(world: World, host: kk.Host) -> None:
    foreign = world.volume("foreign.qcow2")
    outside = "/var/lib/libvirt/boot/outside.qcow2"
    world.lab.run(["qemu-img", "create", "-q", "-f", "qcow2", outside, "1G"])
    with host.changing("attach disks") as connection:
        for path, target in ((foreign, "vdb"), (outside, "vdc")):
            connection.lookupByName("small").attachDeviceFlags(
                f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{path}'/>"
                f"<target dev='{target}' bus='virtio'/></disk>",
                2,
            )

    plan = delete(host)

    for path in (foreign, outside):
        assert f"{path} is kept: kvmkit did not make it for this VM" in plan.notes
        assert world.file(path).is_file()
    assert not world.file(DISK).exists()
    world.file(outside).unlink()


def test_a_vm_of_somebody_else_keeps_all_its_disks(world: World, host: kk.Host) -> None:
    world.define("small", world.volume("small.qcow2"))

    delete(host)

    assert kk.vms(host).empty
    assert world.file(DISK).is_file()


@pytest.mark.usefixtures("_small")
def test_checkpoints_go_with_a_vm_and_come_back_by_undo(world: World, host: kk.Host) -> None:
    kk.destroy(host, "small")
    # libvirt makes disks that hold no checkpoints unless it is told to.
    world.lab.run(["qemu-img", "amend", "-o", "compat=1.1", DISK])
    kk.start(host, "small")
    with host.changing("make checkpoints") as connection:
        for name in ("first", "second"):
            point = f"<domaincheckpoint><name>{name}</name></domaincheckpoint>"
            connection.lookupByName("small").checkpointCreateXML(point)
    before = checkpoints(host)

    plan = kk.plan_undefine(host, "small")
    report = kk.apply(plan)

    assert plan.steps[-1].title == "undefine VM small and its 2 checkpoints"
    assert kk.vms(host).empty
    kk.undo(report)
    assert checkpoints(host) == before


def checkpoints(host: kk.Host) -> list[str]:
    with host.reading("list the checkpoints") as connection:
        return [point.getXMLDesc() for point in connection.lookupByName("small").listAllCheckpoints()]


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_vm_changed_since_planning_is_left_alone(
    world: World, host: kk.Host, change: Callable[[libvirt.virDomain], object]
) -> None:
    kk.destroy(host, "small")
    plan = kk.plan_undefine(host, "small")
    with host.changing("change it") as connection:
        change(connection.lookupByName("small"))
    before = world.state()

    with pytest.raises(kk.ApplyFailed, match=r"was changed .* since planning; plan again"):
        kk.apply(plan)

    assert world.state() == before


def test_a_transient_vm_goes_by_itself(world: World, host: kk.Host) -> None:
    world.define("small")
    with host.changing("make it transient") as connection:
        domain = connection.lookupByName("small")
        domain.create()
        domain.undefine()

    with pytest.raises(kk.WrongState, match="is transient: it is gone when it is shut down"):
        kk.plan_undefine(host, "small")
