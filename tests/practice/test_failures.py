"""A step of a real plan fails, or another process is in the way: the practice host is left as it was."""

import signal
from collections.abc import Callable
from pathlib import Path

import libvirt
import pytest

import kvmkit as kk
from kvmkit.actions import _kinds
from tests.practice.kernels import URI, killed_at, run, start, wait_for, wait_while_applying

CREATE = ["volume-create", "vm-define", "vm-autostart", "vm-start"]
DELETE = ["vm-destroy", "vm-undefine", "volume-delete"]
Fail = Callable[[str, str, BaseException], None]


def state(host: kk.Host) -> bytes:
    assert host.practice
    return host.practice.file.read_bytes()


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Have a step of that kind fail, before it changes the host or after it has."""

    def patch(action: str, moment: str, error: BaseException) -> None:
        code = _kinds[action].code
        make = code.make

        def failing(host: kk.Host, step: kk.Step, token: str) -> None:
            if moment == "after":
                make(host, step, token)
            raise error

        monkeypatch.setattr(code, "make", failing, raising=True)

    return patch


@pytest.mark.parametrize(
    "error", [kk.LibvirtFailed("no space left"), KeyboardInterrupt()], ids=["error", "interrupt"]
)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("action", CREATE)
def test_when_a_step_of_a_creation_fails_nothing_is_left(
    host: kk.Host, create_plan: kk.Plan, fail: Fail, action: str, moment: str, error: BaseException
) -> None:
    before = state(host)
    fail(action, moment, error)
    with pytest.raises(kk.ApplyFailed, match=r"What had been done is undone: the host is as before\.$"):
        kk.apply(create_plan)

    assert state(host) == before
    assert kk.pending(host) == []


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("action", DELETE)
def test_when_a_step_of_a_deletion_fails_the_vm_is_there_again_unless_its_disk_is_gone(
    host: kk.Host, fail: Fail, action: str, moment: str
) -> None:
    with host.changing("make a snapshot") as connection:
        connection.lookupByName("demo").snapshotCreateXML(
            "<domainsnapshot><name>one</name></domainsnapshot>", 0
        )
    before = state(host)
    plan = kk.plan_undefine(host, "demo", delete_storage=True)
    fail(action, moment, RuntimeError("boom"))
    gone = (action, moment) == ("volume-delete", "after")
    words = r"gone for good: volume demo\.qcow2 and all that is on it" if gone else "the host is as before"
    with pytest.raises(kk.ApplyFailed, match=words):
        kk.apply(plan)

    assert (state(host) == before) is not gone
    assert [p.id for p in kk.pending(host)] == [plan.id] * gone


def test_a_deletion_that_went_too_far_is_finished_by_apply(
    host: kk.Host, fail: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = kk.plan_undefine(host, "demo", delete_storage=True)
    with monkeypatch.context() as patched:
        patched.setattr(_kinds["volume-delete"].code, "made", lambda *_args: False)
        with pytest.raises(kk.ApplyFailed, match="the host does not show it"):
            kk.apply(plan)
    report = kk.apply(plan)

    assert report.ok
    assert kk.vms(host).empty
    assert kk.pending(host) == []


def test_undo_of_a_deleted_disk_is_refused_before_anything_is_touched(host: kk.Host) -> None:
    report = kk.apply(kk.plan_undefine(host, "demo", delete_storage=True))
    after = state(host)
    with pytest.raises(kk.ApplyFailed, match=r"cannot be undone: volume demo\.qcow2 and all that is on it"):
        kk.undo(report)

    assert state(host) == after


def test_apply_twice_is_as_once_and_undo_twice_finds_nothing(host: kk.Host, create_plan: kk.Plan) -> None:
    before = state(host)
    first = kk.apply(create_plan)
    after = state(host)
    again = kk.apply(create_plan)

    assert state(host) == after
    assert again.frame["found"].tolist() == ["already so"] * len(create_plan.steps)
    kk.undo(first)
    assert state(host) == before
    with pytest.raises(kk.NotFound):
        kk.undo(again)


def test_a_vm_that_a_person_shut_down_since_is_still_applied_and_not_started_again(
    host: kk.Host, create_plan: kk.Plan
) -> None:
    kk.apply(create_plan)
    kk.destroy(host, "web1")
    kk.apply(create_plan)

    assert kk.vms(host).loc["web1", "state"] == "shut off"


def test_of_two_processes_one_applies_and_the_other_is_told_which(
    host: kk.Host, create_plan: kk.Plan, tmp_path: Path
) -> None:
    at_it, go_on = tmp_path / "at-it", tmp_path / "go-on"
    other = start(wait_while_applying, create_plan.model_dump_json(), at_it, go_on)
    wait_for(at_it)
    whose = rf"process {other.pid} is applying plan {create_plan.id} \(create VM web1\) on {URI}: wait for it"
    try:
        with pytest.raises(kk.Busy, match=whose):
            kk.apply(create_plan)
        with pytest.raises(kk.Busy, match=whose):
            kk.undo(host, create_plan.id)
        with pytest.raises(kk.Busy, match=whose):
            kk.apply(kk.plan_undefine(host, "demo"))
    finally:
        go_on.touch()
        other.join(120)

    assert other.exitcode == 0
    assert kk.vms(host)["state"].to_dict() == {"demo": "running", "web1": "running"}


def test_who_was_killed_holds_nobody_up(host: kk.Host, create_plan: kk.Plan) -> None:
    assert run(killed_at, "apply", create_plan.model_dump_json(), "after", 3) == -signal.SIGKILL
    assert kk.apply(create_plan).ok


def test_a_vm_that_was_changed_since_planning_is_not_deleted(host: kk.Host) -> None:
    plan = kk.plan_undefine(host, "demo")
    with host.changing("give it more memory") as connection:
        connection.defineXML(
            connection.lookupByName("demo")
            .XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
            .replace("1048576", "2097152")
        )
    with pytest.raises(
        kk.ApplyFailed, match="VM demo was changed on test:///default since planning; plan again"
    ):
        kk.apply(plan)

    assert kk.vms(host)[["state", "memory_mib"]].values.tolist() == [["running", 2048]]


def test_a_disk_that_another_vm_has_come_to_use_is_kept(host: kk.Host) -> None:
    plan = kk.plan_undefine(host, "demo", delete_storage=True)
    disk = "<disk type='file'><source file='/var/lib/libvirt/images/demo.qcow2'/><target dev='vda'/></disk>"
    with host.changing("use its disk") as connection:
        connection.defineXML(
            "<domain type='kvm'><name>thief</name><memory>4096</memory><os><type>hvm</type></os>"
            f"<devices>{disk}</devices></domain>"
        )
    before = state(host)
    with pytest.raises(kk.ApplyFailed, match=r"volume demo\.qcow2 is in use by VM thief on .* it is kept"):
        kk.apply(plan)

    assert state(host) == before


def test_a_volume_that_somebody_made_anew_is_not_deleted_by_undo(host: kk.Host, create_plan: kk.Plan) -> None:
    kk.apply(create_plan)
    with host.changing("make it anew") as connection:
        pool = connection.storagePoolLookupByName("default")
        pool.storageVolLookupByName("web1.qcow2").delete()
        pool.createXML("<volume><name>web1.qcow2</name><capacity unit='GiB'>11</capacity></volume>")
    words = r"volume web1\.qcow2 .* somebody changed it, or made it anew; it is left alone"
    with pytest.raises(kk.ApplyFailed, match=words):
        kk.undo(host, create_plan.id)

    assert kk.volumes(host).loc["web1.qcow2", "capacity_gib"] == 11
    assert list(kk.vms(host).index) == ["demo"]


def test_a_name_taken_since_planning_is_left_alone(host: kk.Host, create_plan: kk.Plan) -> None:
    with host.changing("take the name") as connection:
        connection.defineXML(
            "<domain type='kvm'><name>web1</name><memory>4096</memory><os><type>hvm</type></os></domain>"
        )
    before = state(host)
    with pytest.raises(kk.ApplyFailed, match="another VM named web1 is on test:///default; it is left alone"):
        kk.apply(create_plan)

    assert state(host) == before
