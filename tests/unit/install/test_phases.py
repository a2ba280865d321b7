"""A VM's definition for the installer, made from the one that stays."""

import pytest

from kvmkit.install.phases import architecture, ends_with_reboot, with_cd, with_kernel
from kvmkit.vm.xml import parse

EMPTY_DRIVE = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>"
FULL_DRIVE = EMPTY_DRIVE.replace("<target", "<source file='/a.iso'/><target")
VM = """<domain type='kvm'>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>
  <on_reboot>restart</on_reboot>
  <devices>
    <disk type='file' device='disk'><source file='/web1.qcow2'/><target dev='vda'/></disk>{drive}
  </devices>
</domain>"""


def test_the_kernel_wins_over_the_disk() -> None:
    xml = parse(with_kernel(VM.format(drive=""), "/k", "/i", "a=<b> c"))

    assert [element.tag for element in xml.find("os")] == ["type", "kernel", "initrd", "cmdline", "boot"]
    assert xml.findtext("os/cmdline") == "a=<b> c"


def test_a_restart_is_the_end() -> None:
    xml = parse(ends_with_reboot(VM.format(drive="")))

    assert [element.text for element in xml.findall("on_reboot")] == ["destroy"]


def test_an_empty_drive_takes_the_cd() -> None:
    drives = parse(with_cd(VM.format(drive=EMPTY_DRIVE), "/answers.iso")).findall(
        "devices/disk[@device='cdrom']"
    )

    assert [drive.find("source").get("file") for drive in drives] == ["/answers.iso"]


@pytest.mark.parametrize(
    "more", ["", "<disk type='file' device='disk'><target dev='sdb' bus='sata'/></disk>"]
)
def test_beside_another_cd_it_gets_a_drive_of_its_own(more: str) -> None:
    root = parse(with_cd(VM.format(drive=FULL_DRIVE + more), "/answers.iso"))
    drives = root.findall("devices/disk[@device='cdrom']")

    assert [drive.find("source").get("file") for drive in drives] == ["/a.iso", "/answers.iso"]
    names = [target.get("dev") for target in root.iterfind("devices/disk/target")]
    assert len(set(names)) == len(names)
    assert all(drive.find("readonly") is not None for drive in drives)


def test_the_architecture_is_read() -> None:
    assert architecture(VM.format(drive="")) == "x86_64"
