"""Every way to make a VM, on real libvirt and QEMU."""

from pathlib import Path

import pytest

import kvmkit as kk
from tests.lab.waiting import wait_until
from tests.realqemu.screen import shows_a_menu, shows_text
from tests.realqemu.vm.conftest import ISO
from tests.realqemu.vm.faults import Points, fail
from tests.realqemu.vm.world import CONSOLES, IMAGES, READY, World

CPU = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()


def small(**fields: object) -> kk.VMSpec:
    return kk.VMSpec(**{"name": "small", "memory_mib": 64, "disk_gib": 1} | fields)


def advertises_kvm(host: kk.Host) -> bool:
    with host.reading("ask for the capabilities") as connection:
        return "<domain type='kvm'" in connection.getCapabilities()


def test_a_debian_kernel_boots(world: World, host: kk.Host) -> None:
    report = kk.apply(kk.plan_vm(host, world.linux()))

    assert READY in world.wait_for("linux", READY)
    assert report.ok
    vm = kk.vms(host).loc["linux"]
    assert list(vm) == ["running", 1, 256, False, True]
    disk = kk.volumes(host).loc["linux.qcow2"]
    assert (disk["format"], disk["capacity_gib"], disk["path"]) == ("qcow2", 1, f"{IMAGES}/linux.qcow2")
    # A screen in text mode: 80 x 25 characters of 9 x 16 pixels, grey on black.
    wait_until(lambda: shows_text(kk.screenshot(host, "linux")), "text on the screen")
    assert kk.screenshot(host, "linux").size == (720, 400)
    lease = wait_until(lambda: list(kk.addresses(host, "linux")["address"]), "an address")
    assert lease[0].startswith("192.168.122.")


@pytest.mark.skipif(bool({"svm", "vmx"} & set(CPU)), reason="this machine's processor has svm or vmx")
def test_emulated_where_libvirt_advertises_a_kvm_that_hangs(host: kk.Host, small_plan: kk.Plan) -> None:
    if not advertises_kvm(host):
        pytest.skip("this machine has no /dev/kvm, so that libvirt does not advertise kvm")

    [note] = [note for note in small_plan.notes if note.startswith("runs as")]
    assert note.startswith(
        "runs as qemu: the processor shows neither vmx nor svm, although /dev/kvm is there"
    )
    assert '<domain type="qemu">' in small_plan.shown["The XML that is defined"]
    assert "--virt-type qemu" in small_plan.shown["The command it stands for"]


def test_an_iso_boots_and_a_blank_disk_is_there_for_it(
    world: World, host: kk.Host, small_plan: kk.Plan
) -> None:
    kk.apply(small_plan)

    wait_until(lambda: shows_a_menu(kk.screenshot(host, "small")), "GRUB's menu on the screen")
    assert sources(world) == {"vda": f"{IMAGES}/small.qcow2", "sda": f"{IMAGES}/{ISO}"}


def test_an_image_is_started_from_and_left_as_it_was(world: World, host: kk.Host) -> None:
    base = world.volume("base.qcow2")
    before = world.file(base).read_bytes()

    kk.apply(kk.plan_vm(host, world.linux(image="base.qcow2", disk_gib=2)))
    world.wait_for("linux", READY)

    disk = kk.volumes(host).loc["linux.qcow2"]
    assert (disk["backing"], disk["capacity_gib"]) == (base, 2)
    with pytest.raises(kk.InvalidSpec, match="smaller than the image, which has 2 GiB"):
        kk.plan_vm(host, small(image="linux.qcow2", disk_gib=1))
    kk.apply(kk.plan_undefine(host, "linux", delete_storage=True))
    assert world.file(base).read_bytes() == before
    assert "base.qcow2" in kk.volumes(host).index


def test_an_image_that_is_written_to_is_refused(world: World, host: kk.Host) -> None:
    world.define("owner", world.volume("base.qcow2"))

    with pytest.raises(kk.InvalidSpec, match="in use: owner writes to it") as refused:
        kk.plan_vm(host, small(image="base.qcow2"))
    assert list(refused.value.errors) == ["image"]


def test_uefi(world: World, efi_plan: kk.Plan) -> None:
    report = kk.apply(efi_plan)

    variables = world.file("/var/lib/libvirt/qemu/nvram/small_VARS.fd")
    assert variables.is_file()
    assert world.xml("small").find("os/loader").get("type") == "pflash"
    kk.undo(report)
    assert not variables.exists()


def test_a_fixed_vnc_port_is_the_only_one_of_its_number(world: World, host: kk.Host) -> None:
    kk.apply(kk.plan_vm(host, small(vnc_port=5987)))

    screen = world.xml("small").find("devices/graphics")
    assert (screen.get("type"), screen.get("port"), screen.get("listen")) == ("vnc", "5987", "127.0.0.1")
    assert "127.0.0.1:5987" in kk.viewer_commands(host, "small")[1]
    with pytest.raises(kk.InvalidSpec, match="VM small has it") as refused:
        kk.plan_vm(host, small(name="other", vnc_port=5987))
    assert list(refused.value.errors) == ["vnc_port"]


def test_autostart(host: kk.Host, small_plan: kk.Plan) -> None:
    kk.apply(small_plan)
    assert kk.vms(host).loc["small", "autostart"]

    kk.autostart(host, "small", False)
    assert not kk.vms(host).loc["small", "autostart"]


def test_paths_mean_what_they_say(world: World, host: kk.Host) -> None:
    odd = "a b,c;$(touch x)'\"<&é=1"
    kernel, iso = f"/var/lib/libvirt/boot/{odd}", f"{odd}.iso"
    world.lab.run(["cp", world.lab.kernel, kernel])
    world.lab.run(["cp", world.lab.iso, f"{IMAGES}/{iso}"])
    world.volume(f"{odd}.qcow2")
    world.lab.run(["virsh", "pool-refresh", "default"])
    words = "a=b,c \"d\" 'e' <&"

    spec = small(image=f"{odd}.qcow2", cdrom=iso, kernel=kernel, kernel_args=words, disk_gib=0)
    kk.apply(kk.plan_vm(host, spec))

    assert sources(world) == {"vda": f"{IMAGES}/small.qcow2", "sda": f"{IMAGES}/{iso}"}
    assert kk.volumes(host).loc["small.qcow2", "backing"] == f"{IMAGES}/{odd}.qcow2"
    boot = world.xml("small").find("os")
    assert (boot.findtext("kernel"), boot.findtext("cmdline")) == (kernel, words)
    world.file(kernel).unlink()


def test_what_appears_between_plan_and_apply_is_left_alone(world: World, small_plan: kk.Plan) -> None:
    world.volume("small.qcow2")
    before = world.state()

    with pytest.raises(kk.ApplyFailed, match=r"volume small\.qcow2 is already in pool default"):
        kk.apply(small_plan)
    assert world.state() == before

    world.file(f"{IMAGES}/small.qcow2").unlink()
    world.lab.run(["virsh", "pool-refresh", "default"])
    world.define("small")
    before = world.state()

    with pytest.raises(kk.ApplyFailed, match="another VM named small"):
        kk.apply(small_plan)
    assert world.state() == before


def test_what_has_taken_the_place_is_left_alone(world: World, host: kk.Host, small_plan: kk.Plan) -> None:
    created = kk.apply(small_plan)
    deletion = kk.plan_undefine(host, "small", delete_storage=True)
    with host.changing("replace the VM by another, which runs") as connection:
        domain = connection.lookupByName("small")
        domain.destroy()
        domain.undefine()
        world.define("small")
        domain = connection.lookupByName("small")
        domain.setAutostart(1)
        domain.create()
    before = world.state()

    with pytest.raises(kk.ApplyFailed, match="another VM named small"):
        kk.undo(created)
    with pytest.raises(kk.ApplyFailed, match="another VM named small"):
        kk.apply(deletion)

    assert world.state() == before


def test_the_console_log_of_an_earlier_vm_is_not_removed(world: World, host: kk.Host) -> None:
    log = world.file("/var/log/libvirt/qemu/small-console.log")
    log.write_text("said by an earlier VM\n", encoding="utf-8")
    before = world.state()

    plan = kk.plan_vm(host, small(disk_gib=0))
    assert f"overwrites {CONSOLES}/small-console.log, the console log of an earlier VM" in plan.notes
    with Points(["before create"], 0, fail), pytest.raises(kk.ApplyFailed):
        kk.apply(plan)
    assert world.state() == before

    kk.undo(kk.apply(plan))
    assert log.is_file()


def sources(world: World) -> dict[str, str]:
    disks = world.xml("small").iterfind("devices/disk")
    return {disk.find("target").get("dev"): disk.find("source").get("file") for disk in disks}
