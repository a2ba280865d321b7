"""A VM is deleted with what is its own and nothing else, and comes back with all that can come back."""

import pytest

import kvmkit as kk
from tests.practice.machines import IMAGES, define, definition, disk, make_volume, state

DELETE = ["vm-destroy", "vm-undefine", "volume-delete"]
EFI = "<os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type></os>"
TPM = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"


def actions(plan: kk.Plan) -> list[str]:
    return [step.action for step in plan.steps]


def deleted(plan: kk.Plan) -> list[str]:
    return [step.args["name"] for step in plan.steps if step.action == "volume-delete"]


def test_planning_changes_nothing(host: kk.Host) -> None:
    before = state(host)
    kk.plan_undefine(host, "demo", delete_storage=True)

    assert state(host) == before
    assert kk.history(host).empty


def test_a_running_vm_is_stopped_then_undefined_then_its_disk_is_deleted(host: kk.Host) -> None:
    assert actions(kk.plan_undefine(host, "demo", delete_storage=True)) == DELETE
    assert actions(kk.plan_undefine(host, "demo")) == DELETE[:2]
    kk.destroy(host, "demo")
    assert actions(kk.plan_undefine(host, "demo", delete_storage=True)) == DELETE[1:]


def test_without_delete_storage_the_disks_are_kept_and_said_to_be(host: kk.Host) -> None:
    plan = kk.plan_undefine(host, "demo")
    kk.apply(plan)

    assert plan.notes == ("its disks are kept",)
    assert "demo.qcow2" in kk.volumes(host).index
    assert kk.vms(host).empty


def test_what_cannot_be_undone_is_said_in_its_step(host: kk.Host) -> None:
    plan = kk.plan_undefine(host, "demo", delete_storage=True)

    assert [step.lost for step in plan.steps] == ["", "", "volume demo.qcow2 and all that is on it"]
    assert "cannot be undone: volume demo.qcow2 and all that is on it" in repr(plan)


def test_undo_brings_the_vm_back_as_it_was(host: kk.Host) -> None:
    kk.autostart(host, "demo", on=True)
    before = state(host)
    report = kk.apply(kk.plan_undefine(host, "demo"))
    kk.undo(report)

    assert state(host) == before


@pytest.mark.parametrize("current", ["first", "second", "third"])
def test_undo_brings_snapshots_back_with_their_order_and_the_current_one(host: kk.Host, current: str) -> None:
    with host.changing("make snapshots") as connection:
        demo = connection.lookupByName("demo")
        for name in ("first", "second", "third"):
            demo.snapshotCreateXML(f"<domainsnapshot><name>{name}</name></domainsnapshot>", 0)
        demo.revertToSnapshot(demo.snapshotLookupByName(current))
    before = state(host)
    plan = kk.plan_undefine(host, "demo")
    report = kk.apply(plan)

    assert "and its 3 snapshots" in repr(plan)
    assert kk.vms(host).empty
    kk.undo(report)
    assert state(host) == before


def test_saved_memory_is_discarded_as_a_step_of_its_own_and_said_to_be_lost(host: kk.Host) -> None:
    with host.changing("save it") as connection:
        connection.lookupByName("demo").managedSave(0)
    plan = kk.plan_undefine(host, "demo")

    assert actions(plan) == ["vm-saved-remove", "vm-undefine"]
    assert plan.steps[0].lost == "what VM demo had in memory when it was saved"
    assert kk.apply(plan).ok
    assert kk.vms(host).empty


@pytest.mark.parametrize(
    ("boot", "devices", "lost"),
    [(EFI, "", "VM x: its UEFI variables"), (EFI, TPM, "VM x: its UEFI variables and its TPM's secrets")],
    ids=["efi", "efi-and-tpm"],
)
def test_uefi_variables_and_tpm_are_kept_or_lost_and_both_is_said(
    host: kk.Host, boot: str, devices: str, lost: str
) -> None:
    define(host, "x", devices, boot=boot)
    (keeping,), (losing,) = (
        kk.plan_undefine(host, "x", delete_storage=delete).steps for delete in (False, True)
    )

    assert (keeping.lost, keeping.args["keep"]) == ("", True)
    assert (losing.lost, losing.args["keep"]) == (lost, False)
    assert keeping.undo
    assert not losing.undo


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (disk("demo.qcow2", "<readonly/>"), "demo.qcow2 is kept: it is read-only or shared"),
        (disk("demo.qcow2", "<shareable/>"), "demo.qcow2 is kept: it is read-only or shared"),
        (disk("rescue.iso", device="cdrom"), "rescue.iso is kept: it is read-only or shared"),
        (disk("debian-12.qcow2"), "debian-12.qcow2 is kept: kvmkit did not make it for this VM"),
        (disk("/elsewhere/x.qcow2"), "/elsewhere/x.qcow2 is kept: kvmkit did not make it for this VM"),
    ],
    ids=["read-only", "shared", "cd", "foreign", "in-no-pool"],
)
def test_a_disk_that_is_not_the_vms_own_is_kept_and_the_reason_is_said(
    host: kk.Host, source: str, reason: str
) -> None:
    kk.apply(kk.plan_undefine(host, "demo"))
    define(host, "x", source, owned=["demo.qcow2", "rescue.iso"])
    plan = kk.plan_undefine(host, "x", delete_storage=True)

    assert deleted(plan) == []
    assert [note.removeprefix(f"{IMAGES}/") for note in plan.notes] == [reason]


def test_an_owned_disk_in_no_active_pool_is_kept(host: kk.Host) -> None:
    define(host, "x", disk("gone.qcow2"), owned=["gone.qcow2"])

    assert kk.plan_undefine(host, "x", delete_storage=True).notes == (
        f"{IMAGES}/gone.qcow2 is kept: it is in no active storage pool",
    )


def test_of_several_disks_only_the_owned_ones_go(host: kk.Host) -> None:
    for name in ("a.qcow2", "b.qcow2"):
        make_volume(host, name)
    disks = [disk("a.qcow2"), disk("b.qcow2", target="vdb"), disk("rescue.iso", device="cdrom", target="sda")]
    define(host, "x", *disks, owned=["a.qcow2"])
    kk.apply(kk.plan_undefine(host, "x", delete_storage=True))

    assert "a.qcow2" not in kk.volumes(host).index
    assert {"b.qcow2", "rescue.iso"} <= set(kk.volumes(host).index)


def test_a_clone_that_carries_the_originals_metadata_does_not_take_its_disk_along(host: kk.Host) -> None:
    make_volume(host, "clone.qcow2")
    define(host, "clone", disk("clone.qcow2"), owned=["demo.qcow2"])
    plan = kk.plan_undefine(host, "clone", delete_storage=True)

    assert deleted(plan) == []
    assert plan.notes == (f"{IMAGES}/clone.qcow2 is kept: kvmkit did not make it for this VM",)
    kk.apply(plan)
    assert kk.vms(host).loc["demo", "state"] == "running"
    assert "demo.qcow2" in kk.volumes(host).index


def test_a_clone_on_the_originals_disk_keeps_it(host: kk.Host) -> None:
    define(host, "clone", disk("demo.qcow2"), owned=["demo.qcow2"])

    for name, other in (("clone", "demo"), ("demo", "clone")):
        plan = kk.plan_undefine(host, name, delete_storage=True)
        assert deleted(plan) == []
        assert plan.notes == (f"{IMAGES}/demo.qcow2 is kept: it is in use by VM {other}",)


def test_a_disk_that_others_lie_on_top_of_is_kept_through_the_whole_chain(host: kk.Host) -> None:
    make_volume(host, "middle.qcow2", backing="demo.qcow2")
    make_volume(host, "top.qcow2", backing="middle.qcow2")
    define(host, "x", disk("top.qcow2"), owned=["top.qcow2"])
    users = f"VM x, volume {IMAGES}/middle.qcow2, volume {IMAGES}/top.qcow2"

    assert kk.plan_undefine(host, "demo", delete_storage=True).notes == (
        f"{IMAGES}/demo.qcow2 is kept: it is in use by {users}",
    )
    assert deleted(kk.plan_undefine(host, "x", delete_storage=True)) == ["top.qcow2"]


def test_a_vm_from_an_image_goes_with_its_disk_and_leaves_the_image(host: kk.Host) -> None:
    plan = kk.plan_vm(host, kk.VMSpec(name="web1", image="debian-12.qcow2", disk_gib=0))
    before = state(host)
    kk.apply(plan)

    assert kk.volumes(host).loc["web1.qcow2", "backing"] == f"{IMAGES}/debian-12.qcow2"
    kk.apply(kk.plan_undefine(host, "web1", delete_storage=True))
    assert state(host) == before


def test_a_vm_that_is_not_there_is_told_with_those_that_are(host: kk.Host) -> None:
    with pytest.raises(kk.NotFound, match=r"no VM 'web9' on test:///default; it has: demo"):
        kk.plan_undefine(host, "web9")


def test_a_transient_vm_goes_by_itself(host: kk.Host) -> None:
    # Made on the open connection alone: the file of the practice host knows only persistent VMs.
    with host.reading("make a transient VM") as connection:
        connection.createXML(
            "<domain type='kvm'><name>t</name><memory>4096</memory><os><type>hvm</type></os></domain>"
        )
    with pytest.raises(kk.WrongState, match=r"VM t on test:///default is transient: .*kk\.shutdown"):
        kk.plan_undefine(host, "t")


def test_the_plan_shows_the_definition_that_is_removed(host: kk.Host) -> None:
    assert kk.plan_undefine(host, "demo").shown == {"Its XML": definition(host, "demo")}
