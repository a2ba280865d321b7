"""What a VM has decides how it is undefined: libvirt refuses with a flag too few, and with one too many."""

import libvirt
import pytest

from kvmkit.host import connect
from kvmkit.vm.steps import undefine_flags

MANAGED_SAVE = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
SNAPSHOTS = libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
CHECKPOINTS = libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
NVRAM, KEEP_NVRAM = libvirt.VIR_DOMAIN_UNDEFINE_NVRAM, libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
TPM, KEEP_TPM = libvirt.VIR_DOMAIN_UNDEFINE_TPM, libvirt.VIR_DOMAIN_UNDEFINE_KEEP_TPM

PLAIN = "<domain><os><type>hvm</type></os><devices/></domain>"
EFI = "<domain><os firmware='efi'><type>hvm</type></os><devices/></domain>"
NVRAM_FILE = "<domain><os><nvram>/nvram/web1.fd</nvram></os><devices/></domain>"
NEW, JAMMY, BULLSEYE, CENTOS_7 = 12_000_000, 8_000_000, 7_000_000, 4_005_000
WITH_TPM = "<domain><os firmware='efi'/><devices><tpm model='tpm-crb'/></devices></domain>"


class Domain:
    """A domain as libvirt would answer for it: its test driver has neither NVRAM nor TPM."""

    def __init__(self, xml: str, saved: bool, snapshots: int, checkpoints: int, libvirt: int = NEW) -> None:
        self.xml, self.saved, self.snapshots, self.checkpoints = xml, saved, snapshots, checkpoints
        self.libvirt = libvirt

    def connect(self) -> "Domain":
        return self

    def getLibVersion(self) -> int:  # noqa: N802 - libvirt's name
        return self.libvirt

    def XMLDesc(self, _flags: int) -> str:  # noqa: N802 - libvirt's name
        return self.xml

    def hasManagedSaveImage(self) -> int:  # noqa: N802 - libvirt's name
        return int(self.saved)

    def snapshotNum(self) -> int:  # noqa: N802 - libvirt's name
        return self.snapshots

    def listAllCheckpoints(self) -> list[str]:  # noqa: N802 - libvirt's name
        return ["checkpoint"] * self.checkpoints


@pytest.mark.parametrize(
    ("xml", "saved", "snapshots", "checkpoints", "deleting", "keeping"),
    [
        (PLAIN, False, 0, 0, 0, 0),
        (PLAIN, True, 0, 0, MANAGED_SAVE, MANAGED_SAVE),
        (PLAIN, False, 3, 0, SNAPSHOTS, SNAPSHOTS),
        (PLAIN, False, 0, 2, CHECKPOINTS, CHECKPOINTS),
        (EFI, False, 0, 0, NVRAM, KEEP_NVRAM),
        (NVRAM_FILE, False, 0, 0, NVRAM, KEEP_NVRAM),
        (WITH_TPM, False, 0, 0, NVRAM | TPM, KEEP_NVRAM | KEEP_TPM),
        (EFI, True, 1, 0, MANAGED_SAVE | SNAPSHOTS | NVRAM, MANAGED_SAVE | SNAPSHOTS | KEEP_NVRAM),
    ],
    ids=["plain", "saved", "snapshots", "checkpoints", "efi", "nvram", "tpm", "all"],
)
def test_flags_follow_from_what_the_vm_has(
    xml: str, saved: bool, snapshots: int, checkpoints: int, deleting: int, keeping: int
) -> None:
    host, domain = connect("qemu:///system"), Domain(xml, saved, snapshots, checkpoints)

    assert undefine_flags(host, domain, kept=()) == deleting
    assert undefine_flags(host, domain, kept=("nvram", "tpm")) == keeping


def test_the_test_driver_knows_no_flags_for_nvram_and_tpm() -> None:
    host, domain = connect("test:///default"), Domain(WITH_TPM, saved=True, snapshots=1, checkpoints=0)

    assert undefine_flags(host, domain, kept=()) == MANAGED_SAVE | SNAPSHOTS


@pytest.mark.parametrize("version", [JAMMY, BULLSEYE])
def test_before_libvirt_8_9_nobody_can_choose_what_happens_to_a_tpm(version: int) -> None:
    host, domain = connect("qemu:///system"), Domain(WITH_TPM, False, 0, 0, version)

    assert undefine_flags(host, domain, kept=()) == NVRAM
    assert undefine_flags(host, domain, kept=("nvram", "tpm")) == KEEP_NVRAM


def test_before_libvirt_5_6_there_are_no_checkpoints() -> None:
    host, domain = connect("qemu:///system"), Domain(PLAIN, False, 0, 1, CENTOS_7)

    assert undefine_flags(host, domain, kept=()) == 0


def test_what_another_vm_names_is_kept_and_the_rest_is_not() -> None:
    host, domain = connect("qemu:///system"), Domain(WITH_TPM, False, 0, 0)

    assert undefine_flags(host, domain, kept=("nvram",)) == KEEP_NVRAM | TPM
