"""A host for each test, and nothing of its VMs left for the next one."""

from collections.abc import Iterator

import libvirt
import pytest

import kvmkit as kk
from tests.lab.lab import Lab
from tests.realqemu.vm.world import CONSOLES, IMAGES, World

ISO = "rescue.iso"
EVERYTHING = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)


@pytest.fixture(scope="session")
def _iso(lab: Lab) -> None:
    lab.run(["cp", lab.iso, f"{IMAGES}/{ISO}"])
    lab.run(["virsh", "pool-refresh", "default"])


@pytest.fixture
def world(lab: Lab, _iso: None) -> Iterator[World]:
    """The lab as kvmkit sees it; whatever a test does, no storage pool may come or go by it."""
    world = World(lab, kk.connect(lab.ssh_uri))
    pools = world.pools()
    yield world
    _clear(world)
    assert world.pools() == pools


@pytest.fixture(scope="session")
def small_plan(lab: Lab, _iso: None) -> kk.Plan:
    """A VM that takes every kind of step and boots nothing; described once, as describing takes longest."""
    spec = kk.VMSpec(name="small", memory_mib=64, disk_gib=1, cdrom=ISO, autostart=True)
    return kk.plan_vm(kk.connect(lab.ssh_uri), spec)


@pytest.fixture(scope="session")
def efi_plan(lab: Lab, _iso: None) -> kk.Plan:
    """The same by UEFI, without a CD."""
    spec = kk.VMSpec(name="small", memory_mib=64, disk_gib=1, firmware="efi")
    return kk.plan_vm(kk.connect(lab.ssh_uri), spec)


@pytest.fixture
def bystander(world: World) -> None:
    """Somebody's VM and its disk, which nobody may touch."""
    world.define("bystander", world.volume("bystander.qcow2"))


@pytest.fixture
def host(world: World) -> kk.Host:
    return world.host


def _clear(world: World) -> None:
    with world.host.changing("clear up after a test") as connection:
        for domain in connection.listAllDomains():
            kept = domain.isPersistent()
            if domain.isActive():
                domain.destroy()
            if kept:
                domain.undefineFlags(EVERYTHING)
        for volume in connection.storagePoolLookupByName("default").listAllVolumes():
            if volume.name() != ISO:
                volume.delete()
    for log in world.lab.path(CONSOLES).glob("*-console.log*"):
        log.unlink()
