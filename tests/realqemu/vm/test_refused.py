"""What a real host cannot give is refused while planning, by one clear error, and nothing is made."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

import kvmkit as kk
from tests.lab.lab import Lab
from tests.realqemu.vm.conftest import ISO
from tests.realqemu.vm.world import World

GOOD: dict[str, Any] = {"name": "new", "memory_mib": 64, "disk_gib": 1}
POOLS = r"in no active storage pool of the host; put it into one of: default \(/var/lib/libvirt/images\)"
BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "name taken": (
        "name",
        {"name": "taken"},
        "'taken': a VM of that name is there already; taken are: taken",
    ),
    "disk's name taken": ("name", {"name": "large"}, r"'large': its disk large\.qcow2 is in pool default"),
    "no such bridge": ("bridge", {"bridge": "br7"}, "'br7': no such bridge; the host has: virbr0"),
    "no such network": (
        "network",
        {"network": "lan"},
        "'lan': that network is not there; active are: default",
    ),
    "too much memory": ("memory_mib", {"memory_mib": 2**24}, r"16777216: the host has \d+ MiB in all"),
    "no such pool": ("pool", {"pool": "fast"}, "'fast': no such active pool; active are: default"),
    "disk too large": ("disk_gib", {"disk_gib": 2**20}, r"1048576: pool default has [\d.]+ GiB in all"),
    "disk too small": (
        "disk_gib",
        {"image": "large.qcow2"},
        "1: smaller than the image, which has 3 GiB; 0: just as large",
    ),
    "no such image": ("image", {"image": "none.qcow2"}, f"'none.qcow2': {POOLS}"),
    "image in use": ("image", {"image": "taken.qcow2"}, "'taken.qcow2': in use: taken writes to it"),
    "image in no pool": ("image", {"image": Lab.kernel}, f"{Lab.kernel}': {POOLS}"),
    "no such ISO": ("cdrom", {"cdrom": "none.iso"}, f"'none.iso': {POOLS}"),
    "ISO in no pool": ("cdrom", {"cdrom": Lab.iso}, f"{Lab.iso}': {POOLS}"),
    "no such kernel": ("kernel", {"kernel": "/boot/none"}, "'/boot/none': no such file on the host"),
    "VNC port taken": ("vnc_port", {"vnc_port": 5977}, "5977: VM taken has it; -1 takes a free one"),
    "no such OS": ("os", {"os": "plan9front"}, "plan9front"),
}
CLOSED = "QEMU runs as libvirt-qemu, who may not enter /root, but may /var/lib/libvirt/images"
SCREEN = "<graphics type='vnc' port='5977' autoport='no'/>"


@pytest.fixture
def _others(world: World) -> None:
    world.define("taken", world.volume("taken.qcow2"), more=SCREEN)
    world.volume("large.qcow2", gib=3)


@pytest.mark.usefixtures("_others")
@pytest.mark.parametrize(("field", "fields", "message"), BAD.values(), ids=BAD)
def test_bad_input(world: World, field: str, fields: dict[str, Any], message: str) -> None:
    before = world.state()

    with pytest.raises(kk.InvalidSpec, match=f"^{field}: .*{message}") as refused:
        kk.plan_vm(world.host, kk.VMSpec(**GOOD | fields))

    assert list(refused.value.errors) == [field]
    assert len(str(refused.value).splitlines()) == 1
    assert world.state() == before
    assert kk.history(world.host).empty


@pytest.mark.usefixtures("_others")
def test_all_that_is_wrong_is_said_at_once(host: kk.Host) -> None:
    spec = kk.VMSpec(name="taken", bridge="br7", cdrom="none.iso", disk_gib=2**20)

    with pytest.raises(kk.InvalidSpec) as refused:
        kk.plan_vm(host, spec)

    assert set(refused.value.errors) == {"name", "bridge", "cdrom", "disk_gib"}


def test_planning_makes_no_pool(world: World, host: kk.Host) -> None:
    """virt-install makes one for each folder outside of all pools that it is shown, dry run or not."""
    base = world.volume("base.qcow2")
    before, pools = world.state(), world.pools()
    every: tuple[dict[str, Any], ...] = (
        {"kernel": world.lab.kernel, "initrd": world.lab.initrd},
        {"cdrom": ISO, "firmware": "efi"},
        {"image": base},
        {"disk_gib": 0},
    )

    for fields in every:
        assert kk.plan_vm(host, kk.VMSpec(**GOOD | fields)).steps

    assert world.pools() == pools
    assert world.state() == before


@contextlib.contextmanager
def pool(world: World, name: str, path: str) -> Iterator[None]:
    world.lab.run(["virsh", "pool-define-as", name, "dir", "--target", path])
    world.lab.run(["virsh", "pool-start", name])
    try:
        yield
    finally:
        world.lab.run(["virsh", "pool-destroy", name])
        world.lab.run(["virsh", "pool-undefine", name])


def test_what_qemu_may_not_reach(world: World, host: kk.Host) -> None:
    """libvirt gives QEMU's user the files, and nobody gives it the folders above them."""
    run = world.lab.run
    run(["mkdir", "-p", "/root/isos"])
    run(["chmod", "755", "/root/isos"])
    run(["chmod", "700", "/root"])
    run(["cp", world.lab.iso, "/root/isos/closed.iso"])
    run(["cp", world.lab.kernel, "/root/isos/vmlinuz"])
    run(["qemu-img", "create", "-q", "-f", "qcow2", "/root/isos/closed.qcow2", "1G"])
    with pool(world, "closed", "/root/isos"):
        before = world.state()
        for fields in (
            {"cdrom": "closed.iso"},
            {"image": "closed.qcow2"},
            {"kernel": "/root/isos/vmlinuz"},
            {"kernel": world.lab.kernel, "initrd": "/root/isos/vmlinuz"},
            {"pool": "closed"},
        ):
            closed = list(fields)[-1]
            with pytest.raises(
                kk.InvalidSpec, match="QEMU runs as libvirt-qemu, who may not enter /root,"
            ) as no:
                kk.plan_vm(host, kk.VMSpec(**GOOD | fields))
            assert list(no.value.errors) == [closed]
        assert world.state() == before

        run(["chmod", "711", "/root"])
        fields = {"cdrom": "closed.iso", "pool": "closed", "kernel": "/root/isos/vmlinuz"}
        report = kk.apply(kk.plan_vm(host, kk.VMSpec(**GOOD | fields)))
        assert kk.vms(host).loc["new", "state"] == "running"
        kk.undo(report)
        assert world.state() == before
    run(["rm", "-r", "/root/isos"])
