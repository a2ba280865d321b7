"""A step fails: the host is as before, byte for byte, or it is said what is gone for good."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

import kvmkit as kk
from tests.realqemu.vm.faults import CREATING, FAILING, Points, fail, nothing
from tests.realqemu.vm.world import World

DELETING = [
    f"{when} {change}" for change in ("destroy", "undefineFlags", "delete", "remove_logs") for when in FAILING
]
DISK_GONE = DELETING.index("after delete")

TAKE_PORT = """
import socket, sys
server = socket.create_server(("127.0.0.1", 5999))
print("taken", flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.usefixtures("bystander")


@pytest.fixture
def deletion(host: kk.Host, small_plan: kk.Plan) -> kk.Plan:
    kk.apply(small_plan)
    return kk.plan_undefine(host, "small", delete_storage=True)


def test_every_change_is_a_point_to_fail_at(host: kk.Host, small_plan: kk.Plan) -> None:
    with Points(FAILING, 0, nothing) as created:
        kk.apply(small_plan)
    with Points(FAILING, 0, nothing) as deleted:
        kk.apply(kk.plan_undefine(host, "small", delete_storage=True))

    assert created.passed == CREATING
    assert deleted.passed == DELETING


@pytest.mark.multiplied(keep=2)
@pytest.mark.parametrize("number", range(len(CREATING)), ids=CREATING)
def test_creating_fails(world: World, small_plan: kk.Plan, number: int) -> None:
    before = world.state()

    with Points(FAILING, number, fail), pytest.raises(kk.ApplyFailed, match="made to fail here") as failed:
        kk.apply(small_plan)

    assert world.state() == before
    assert "the host is as before" in str(failed.value)
    assert kk.pending(world.host) == []


@pytest.mark.multiplied(keep=2)
@pytest.mark.parametrize("number", range(DISK_GONE), ids=DELETING[:DISK_GONE])
def test_deleting_fails(world: World, deletion: kk.Plan, number: int) -> None:
    before = world.state()

    with Points(FAILING, number, fail), pytest.raises(kk.ApplyFailed, match="the host is as before"):
        kk.apply(deletion)

    assert world.state() == before
    assert kk.pending(world.host) == []


@pytest.mark.parametrize("number", range(DISK_GONE, len(DELETING)), ids=DELETING[DISK_GONE:])
def test_deleting_fails_when_the_disk_is_gone(
    world: World, small_plan: kk.Plan, deletion: kk.Plan, number: int
) -> None:
    with (
        Points(FAILING, number, fail),
        pytest.raises(kk.ApplyFailed, match=r"gone for good: volume small\.qcow2"),
    ):
        kk.apply(deletion)

    half = world.state()
    with pytest.raises(kk.ApplyFailed, match=r"cannot be undone: volume small\.qcow2 and all that is on it"):
        kk.undo(world.host, deletion.id)
    assert world.state() == half

    [left] = kk.pending(world.host)
    assert kk.apply(left).ok
    kk.undo(world.host, small_plan.id)
    assert not [what for what in world.state() if "small" in what]
    assert kk.pending(world.host) == []


@pytest.fixture
def _port_taken(world: World) -> Iterator[None]:
    argv = world.lab.local([sys.executable, "-c", TAKE_PORT])
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdout.readline()
        yield
        server.stdin.close()


@pytest.mark.usefixtures("_port_taken")
def test_qemu_itself_fails(world: World) -> None:
    spec = kk.VMSpec(name="small", memory_mib=64, disk_gib=1, firmware="efi", vnc_port=5999)
    plan = kk.plan_vm(world.host, spec)
    before = world.state()

    with pytest.raises(kk.ApplyFailed, match=r"Address already in use.*the host is as before"):
        kk.apply(plan)

    assert world.state() == before
    assert kk.pending(world.host) == []
