"""The process is killed at every record of the journal: undo leaves no trace, and apply ends as promised."""

import re
import shutil
import signal
from pathlib import Path

import pytest

import kvmkit as kk
from tests.practice.kernels import URI, killed_at, killed_while_saving, run

CREATE_RECORDS = 11  # of the plan: begun, applying, two for each of its four steps, done
UNDO_RECORDS = 10  # undoing, two for each step, undone
DELETE_RECORDS = 7
MOMENTS = ["during", "after"]


def content(host: kk.Host) -> str:
    assert host.practice
    text = host.practice.file.read_text()
    # Which application made a VM is told by a token of its own, in each application another.
    return re.sub(r'token="[0-9a-f]{32}"', 'token=""', text)


def kill(verb: str, plan: kk.Plan, moment: str, record: int) -> None:
    assert run(killed_at, verb, plan.model_dump_json(), moment, record) == -signal.SIGKILL


def both_ways(tmp_path: Path) -> Path:
    """Copy the state as the killed process left it, so that both ways out of it can be gone."""
    left = tmp_path / "left"
    shutil.copytree(tmp_path / "state", left)
    return left


def finish(plan: kk.Plan) -> None:
    """Do what a person does who finds the journal: continue what is pending, or apply from the start."""
    kk.apply(next(iter(kk.pending(kk.connect(URI))), plan))


def give_up(plan: kk.Plan) -> None:
    """Take back whatever a killed process did; it may have done nothing at all."""
    try:
        kk.undo(kk.connect(URI), plan.id)
    except kk.NotFound:
        assert kk.pending(kk.connect(URI)) == []


def prepare_demo(host: kk.Host) -> None:
    """Give the demo VM all that a deletion has to bring back: snapshots, one below another, and autostart."""
    with host.changing("make snapshots") as connection:
        demo = connection.lookupByName("demo")
        for name in ("first", "second"):
            demo.snapshotCreateXML(f"<domainsnapshot><name>{name}</name></domainsnapshot>", 0)
        demo.setAutostart(1)


@pytest.mark.multiplied(keep=4)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("record", range(1, CREATE_RECORDS + 1))
def test_killed_while_creating(
    host: kk.Host,
    create_plan: kk.Plan,
    moment: str,
    record: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = content(host)
    kill("apply", create_plan, moment, record)
    left = both_ways(tmp_path)
    give_up(create_plan)

    assert content(host) == before

    kk.apply(create_plan)
    promised = content(host)
    monkeypatch.setenv("XDG_STATE_HOME", str(left))
    finish(create_plan)

    assert content(host) == promised
    assert kk.pending(host) == []
    kk.undo(host, create_plan.id)
    assert content(host) == before


@pytest.mark.multiplied(keep=4)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("record", range(1, UNDO_RECORDS + 1))
def test_killed_while_undoing(
    host: kk.Host,
    create_plan: kk.Plan,
    moment: str,
    record: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = content(host)
    kk.apply(create_plan)
    promised = content(host)
    kill("undo", create_plan, moment, record)
    left = both_ways(tmp_path)
    give_up(create_plan)

    assert content(host) == before

    monkeypatch.setenv("XDG_STATE_HOME", str(left))
    finish(create_plan)

    assert content(host) == promised
    assert kk.pending(host) == []


@pytest.mark.multiplied(keep=4)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("record", range(1, DELETE_RECORDS + 1))
def test_killed_while_deleting(
    host: kk.Host, moment: str, record: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_demo(host)
    before = content(host)
    plan = kk.plan_undefine(host, "demo")
    kill("apply", plan, moment, record)
    left = both_ways(tmp_path)
    give_up(plan)

    assert content(host) == before

    monkeypatch.setenv("XDG_STATE_HOME", str(left))
    finish(plan)

    assert "demo" not in kk.vms(host).index
    assert "demo.qcow2" in kk.volumes(host).index
    assert kk.pending(host) == []


@pytest.mark.multiplied(keep=4)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("record", range(1, DELETE_RECORDS + 3))
def test_killed_while_deleting_with_the_disk(
    host: kk.Host, moment: str, record: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(host)
    plan = kk.plan_undefine(host, "demo", delete_storage=True)
    kill("apply", plan, moment, record)
    left = both_ways(tmp_path)
    if "demo.qcow2" in kk.volumes(host).index:
        give_up(plan)
        assert content(host) == before
    else:  # what is gone is gone: the rest is then left as it is
        stands = content(host)
        with pytest.raises(
            kk.ApplyFailed, match=r"cannot be undone: volume demo\.qcow2 and all that is on it"
        ):
            kk.undo(host, plan.id)
        assert content(host) == stands

    monkeypatch.setenv("XDG_STATE_HOME", str(left))
    finish(plan)

    assert "demo" not in kk.vms(host).index
    assert "demo.qcow2" not in kk.volumes(host).index
    assert kk.pending(host) == []


@pytest.mark.parametrize(
    ("moment", "states"),
    [("in the middle", {"running"}), ("before", {"running"}), ("after", {"shut off"})],
)
def test_a_change_of_the_practice_host_is_kept_whole_or_not_at_all(
    host: kk.Host, moment: str, states: set[str]
) -> None:
    assert run(killed_while_saving, moment) == -signal.SIGKILL
    assert set(kk.vms(host)["state"]) == states
    kk.autostart(host, "demo", on=True)  # the lock of the killed process is gone with it
    assert kk.vms(host).loc["demo", "autostart"]


VOLUME = "<volume><name>web1.qcow2</name><capacity>{}</capacity><allocation>{}</allocation></volume>"


@pytest.mark.multiplied(keep=4)
@pytest.mark.parametrize("record", [1, 2, 3])
@pytest.mark.parametrize(("capacity", "allocation"), [(5, 5), (10 * 2**30, 2**30)], ids=["other", "used"])
def test_a_volume_that_somebody_else_made_in_the_meantime_is_left_alone(
    host: kk.Host, create_plan: kk.Plan, record: int, capacity: int, allocation: int
) -> None:
    kill("apply", create_plan, "after", record)
    with host.changing("be somebody else") as connection:
        connection.storagePoolLookupByName("default").createXML(VOLUME.format(capacity, allocation))
    theirs = content(host)
    (left,) = kk.pending(host)
    with pytest.raises(
        kk.ApplyFailed, match=r"volume web1\.qcow2 is already in pool default .* not made by this"
    ):
        kk.apply(left)

    assert content(host) == theirs
    assert kk.pending(host) == []


@pytest.mark.multiplied(keep=4)
@pytest.mark.parametrize("record", [1, 2, 3])
def test_undo_leaves_a_volume_that_somebody_else_made_in_the_meantime(
    host: kk.Host, create_plan: kk.Plan, record: int
) -> None:
    kill("apply", create_plan, "after", record)
    with host.changing("be somebody else") as connection:
        connection.storagePoolLookupByName("default").createXML(VOLUME.format(5, 5))
    theirs = content(host)
    report = kk.undo(host, create_plan.id)

    assert content(host) == theirs
    assert report.frame["status"].tolist() == ["WARN"] * (record == 3)


THEIR_VM = "<domain type='kvm'><name>web1</name><memory>4096</memory><os><type>hvm</type></os></domain>"


@pytest.mark.multiplied(keep=4)
@pytest.mark.parametrize("record", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("way", ["apply", "undo"])
def test_a_vm_that_somebody_else_made_in_the_meantime_is_left_alone(
    host: kk.Host, create_plan: kk.Plan, record: int, way: str
) -> None:
    kill("apply", create_plan, "after", record)
    volume_made = "web1.qcow2" in kk.volumes(host).index
    with host.changing("be somebody else") as connection:
        connection.defineXML(THEIR_VM)
    theirs = kk.vms(host)
    if way == "apply":
        with pytest.raises(
            kk.ApplyFailed, match="another VM named web1 is on test:///default; it is left alone"
        ):
            kk.apply(kk.pending(host)[0])
    else:
        kk.undo(host, create_plan.id)

    assert kk.vms(host).equals(theirs)
    assert "web1.qcow2" not in kk.volumes(host).index
    assert volume_made == (record >= 4)
    assert kk.pending(host) == []
