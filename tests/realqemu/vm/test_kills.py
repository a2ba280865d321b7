"""The process is killed half-way: the plan is pending, and both ways out of that lead where they promise."""

import pytest

import kvmkit as kk
from tests.realqemu.vm.faults import KILLING, Points, nothing, run_until_killed
from tests.realqemu.vm.world import World


def forward(*changes: str) -> list[str]:
    """Name the points that applying a plan passes: its head, that it begins, each step, its end."""
    steps = [point for change in changes for point in ("record", f"after {change}", "record")]
    return ["record", "record", *steps, "record"]


def backward(*steps: tuple[str, ...]) -> list[str]:
    """Name the points that undoing passes, for the changes of each step."""
    told = [p for changes in steps for p in ("record", *(f"after {c}" for c in changes), "record")]
    return ["record", *told, "record"]


CREATE = forward("createXML", "defineXML", "setAutostart", "create")
UNDO_CREATE = backward(("destroy", "remove_logs"), ("setAutostart",), ("undefineFlags",), ("delete",))
DELETE = forward("destroy", "undefineFlags", "delete", "remove_logs")
DISK_GONE = DELETE.index("after delete")
UNDEFINE = forward("undefineFlags")
REDEFINE = backward(("defineXML", "setAutostart", *["snapshotCreateXML"] * 3))


def each(points: list[str], first: int = 0, last: int = -1, kind: str = "") -> pytest.MarkDecorator:
    """One test for each point; by default all but the last, with which the plan is over."""
    numbers = [n for n in range(len(points))[first:last] if points[n].startswith(kind)]
    return pytest.mark.parametrize("number", numbers, ids=[f"{n} {points[n]}" for n in numbers])


pytestmark = pytest.mark.usefixtures("bystander")


@pytest.fixture
def created(small_plan: kk.Plan) -> str:
    kk.apply(small_plan)
    return small_plan.id


@pytest.fixture
def deletion(host: kk.Host, created: str) -> kk.Plan:
    return kk.plan_undefine(host, "small", delete_storage=True)


@pytest.fixture
def undefinition(host: kk.Host, created: str) -> kk.Plan:
    """Undefining a VM with snapshots that goes on from the middle one."""
    kk.destroy(host, "small")
    with host.changing("take snapshots") as connection:
        domain = connection.lookupByName("small")
        for name in ("first", "second", "third"):
            domain.snapshotCreateXML(f"<domainsnapshot><name>{name}</name></domainsnapshot>")
        domain.revertToSnapshot(domain.snapshotLookupByName("second"))
    return kk.plan_undefine(host, "small")


def pending(host: kk.Host) -> list[str]:
    return [plan.id for plan in kk.pending(host)]


def assert_created(world: World, state: dict[str, str]) -> None:
    vm = kk.vms(world.host).loc["small"]
    assert (vm["state"], vm["autostart"], vm["memory_mib"]) == ("running", True, 64)
    assert kk.volumes(world.host).loc["small.qcow2", "capacity_gib"] == 1
    assert state.items() <= world.state().items()
    assert pending(world.host) == []


def assert_deleted(world: World) -> None:
    assert not [what for what in world.state() if "small" in what]
    assert pending(world.host) == []


def test_every_change_and_every_record_is_a_point_to_be_killed_at(host: kk.Host, small_plan: kk.Plan) -> None:
    with Points(KILLING, 0, nothing) as create:
        kk.apply(small_plan)
    with Points(KILLING, 0, nothing) as undo_create:
        kk.undo(host, small_plan.id)
    kk.apply(small_plan)
    with Points(KILLING, 0, nothing) as delete:
        kk.apply(kk.plan_undefine(host, "small", delete_storage=True))

    assert create.passed == CREATE
    assert undo_create.passed == UNDO_CREATE
    assert delete.passed == DELETE


def test_every_change_of_undefining_is_a_point_to_be_killed_at(undefinition: kk.Plan) -> None:
    with Points(KILLING, 0, nothing) as undefine:
        report = kk.apply(undefinition)
    with Points(KILLING, 0, nothing) as redefine:
        kk.undo(report)

    assert undefine.passed == UNDEFINE
    assert redefine.passed == REDEFINE


@pytest.mark.multiplied(keep=3)
@each(CREATE)
def test_killed_while_creating_then_undone(world: World, small_plan: kk.Plan, number: int) -> None:
    before = world.state()
    run_until_killed(number, "apply", small_plan.model_dump_json())
    assert pending(world.host) == [small_plan.id]

    assert kk.undo(world.host, small_plan.id).ok

    assert world.state() == before
    assert pending(world.host) == []


@pytest.mark.multiplied(keep=3)
@each(CREATE)
def test_killed_while_creating_then_continued(world: World, small_plan: kk.Plan, number: int) -> None:
    before = world.state()
    run_until_killed(number, "apply", small_plan.model_dump_json())

    [left] = kk.pending(world.host)
    assert kk.apply(left).ok

    assert_created(world, before)
    assert kk.undo(world.host, small_plan.id).ok
    assert world.state() == before


@pytest.mark.multiplied(keep=3)
@each(UNDO_CREATE)
def test_killed_while_undoing_then_undone(world: World, small_plan: kk.Plan, number: int) -> None:
    before = world.state()
    kk.apply(small_plan)
    run_until_killed(number, "undo", world.host.uri, small_plan.id)
    assert pending(world.host) == [small_plan.id]

    assert kk.undo(world.host, small_plan.id).ok

    assert world.state() == before
    assert pending(world.host) == []


@pytest.mark.multiplied(keep=3)
@each(UNDO_CREATE, kind="after")
def test_killed_while_undoing_then_created_after_all(world: World, small_plan: kk.Plan, number: int) -> None:
    before = world.state()
    kk.apply(small_plan)
    run_until_killed(number, "undo", world.host.uri, small_plan.id)

    [left] = kk.pending(world.host)
    assert kk.apply(left).ok

    assert_created(world, before)


@pytest.mark.multiplied(keep=3)
@each(DELETE, last=DISK_GONE)
def test_killed_while_deleting_then_undone(world: World, deletion: kk.Plan, number: int) -> None:
    before = world.state()
    run_until_killed(number, "apply", deletion.model_dump_json())
    assert pending(world.host) == [deletion.id]

    assert kk.undo(world.host, deletion.id).ok

    assert world.state() == before
    assert pending(world.host) == []


@pytest.mark.multiplied(keep=3)
@each(DELETE, last=DISK_GONE)
def test_killed_while_deleting_then_continued(world: World, deletion: kk.Plan, number: int) -> None:
    run_until_killed(number, "apply", deletion.model_dump_json())

    [left] = kk.pending(world.host)
    assert kk.apply(left).ok

    assert_deleted(world)


@pytest.mark.multiplied(keep=3)
@each(DELETE, first=DISK_GONE)
def test_killed_when_the_disk_is_gone_cannot_be_undone(world: World, deletion: kk.Plan, number: int) -> None:
    run_until_killed(number, "apply", deletion.model_dump_json())
    half = world.state()

    with pytest.raises(kk.ApplyFailed, match=r"cannot be undone: volume small\.qcow2 and all that is on it"):
        kk.undo(world.host, deletion.id)
    assert world.state() == half

    [left] = kk.pending(world.host)
    assert kk.apply(left).ok
    assert_deleted(world)


@pytest.mark.multiplied(keep=3)
@each(REDEFINE)
def test_killed_while_defining_again_then_undone(world: World, undefinition: kk.Plan, number: int) -> None:
    before = world.state()
    kk.apply(undefinition)
    run_until_killed(number, "undo", world.host.uri, undefinition.id)

    assert kk.undo(world.host, undefinition.id).ok

    assert world.state() == before
    assert pending(world.host) == []
