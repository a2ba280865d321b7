"""A disk is kept for whatever else of a VM names it: a pool, a link, a snapshot, saved memory."""

from collections.abc import Callable

import libvirt
import pytest

from tests.disks.scene import BASE, ELSEWHERE, HARD, LINKED, NAME, SYMBOLIC, Scene
from tests.realqemu.vm.world import DISK, IMAGES, VM

BY_POOL = f"""<disk type='volume' device='disk'>
  <driver name='qemu' type='qcow2'/><source pool='{{pool}}' volume='{NAME}'/><target dev='vda' bus='virtio'/>
</disk>"""
ARGUMENT = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>other</name><memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <qemu:commandline>
    <qemu:arg value='-drive'/><qemu:arg value='file={path},format=qcow2,if=virtio'/>
  </qemu:commandline>
</domain>"""
EXTERNAL = """<domainsnapshot>
  <name>before</name><disks><disk name='vda' snapshot='external'/></disks>
</domainsnapshot>"""


def without_disks(domain: libvirt.virDomain) -> str:
    same = f"<uuid>{domain.UUIDString()}</uuid><name>"
    return VM.format(name="other", devices="").replace("<name>", same)


@pytest.mark.parametrize("path", [SYMBOLIC, HARD, f"{LINKED}/{NAME}", f"{IMAGES}/../images/./{NAME}"])
@pytest.mark.parametrize("running", [False, True], ids=["off", "running"])
def test_the_disk_itself_by_another_path(stage: Scene, path: str, running: bool) -> None:
    stage.world.define("other", path)
    if running:
        stage.start("other")
    assert "VM other" in stage.users()
    stage.remove("other")
    assert stage.users() == ""


def test_the_disk_by_its_pool_though_that_is_not_active(stage: Scene) -> None:
    run = stage.world.lab.run
    run(["virsh", "pool-define-as", "second", "dir", "--target", LINKED])
    stage.world.define("other", more=BY_POOL.format(pool="second"))
    assert "VM other" in stage.users()
    run(["virsh", "pool-start", "second"])
    assert "VM other" in stage.users()
    run(["virsh", "pool-destroy", "second"])
    run(["virsh", "pool-undefine", "second"])
    assert (
        "VM other perhaps (volume base.qcow2 of pool second is in no pool that tells where)" in stage.users()
    )
    stage.remove("other")
    assert stage.users() == ""


def test_the_disk_in_an_argument_of_qemus_own(stage: Scene) -> None:
    with stage.host.changing("define other") as connection:
        connection.defineXML(ARGUMENT.format(path=SYMBOLIC))
    assert "VM other" in stage.users()
    stage.remove("other")
    assert stage.users() == ""


def test_the_disk_in_a_snapshot_alone(stage: Scene) -> None:
    stage.world.define("other", SYMBOLIC)
    with stage.host.changing("take a snapshot") as connection:
        domain = connection.lookupByName("other")
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
        domain.snapshotCreateXML(EXTERNAL, flags)
        connection.defineXML(
            VM.format(name="other", devices="").replace("<name>", f"<uuid>{domain.UUIDString()}</uuid><name>")
        )
    stage.remove_files(f"{IMAGES}/symbolic.before")
    assert "snapshot before of VM other" in stage.users()
    stage.remove("other")
    assert stage.users() == ""


def test_the_disk_in_saved_memory_alone(stage: Scene) -> None:
    stage.world.define("other", HARD)
    stage.start("other")
    with stage.host.changing("save it") as connection:
        domain = connection.lookupByName("other")
        domain.managedSave()
        connection.defineXML(
            VM.format(name="other", devices="").replace("<name>", f"<uuid>{domain.UUIDString()}</uuid><name>")
        )
    assert "saved memory of VM other" in stage.users()
    stage.remove("other")
    assert stage.users() == ""


@pytest.mark.parametrize("told", ["nbd://localhost/x", "/dev/fdset/3", "http://127.0.0.1/base.qcow2"])
def test_an_image_on_what_cannot_be_told_counts_and_is_named(stage: Scene, told: str) -> None:
    path = stage.image(f"{ELSEWHERE}/top", told)
    stage.world.define("other", path)
    assert f"VM other perhaps ({path}: it lies on" in stage.users()
    stage.remove("other")
    assert stage.users() == ""


def test_no_disk_of_which_a_guest_says_that_it_is_an_image(stage: Scene) -> None:
    """Its guest may write there what it likes: that must not keep other disks from being deleted."""
    path = stage.image(f"{IMAGES}/raw", BASE)
    raw = DISK.format(path=path, letter="a").replace("qcow2", "raw", 1)
    stage.world.define("other", more=raw)
    assert stage.users() == ""
    stage.remove("other")


def test_a_long_chain_of_images_in_other_folders(stage: Scene) -> None:
    below = BASE
    for depth in range(30):
        below = stage.image(f"{ELSEWHERE}/{depth}", below if depth == 0 else f"./{depth - 1}")
    stage.world.define("other", below)
    assert "VM other" in stage.users()
    stage.remove("other")
    assert stage.users() == ""


def hostile(stage: Scene) -> str:
    return stage.image(f"{IMAGES}/-top\nVM x\t'\"ü$(id)", f"./{NAME}")


USES: dict[str, Callable[[Scene], str]] = {"a hostile name": hostile}


@pytest.mark.parametrize("make", USES.values(), ids=USES)
def test_an_image_in_the_pool_that_libvirt_has_not_seen(stage: Scene, make: Callable[[Scene], str]) -> None:
    path = make(stage)
    assert "volume " in stage.users()
    assert "\n" not in stage.users()
    stage.remove_files(path)
    assert stage.users() == ""
