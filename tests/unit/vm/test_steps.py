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
WITH_TPM = "<domain><os firmware='efi'/><devices><tpm model='tpm-crb'/></devices></domain>"


class Domain:
    """A domain as libvirt would answer for it: its test driver has neither NVRAM nor TPM."""

    def __init__(self, xml: str, saved: bool, snapshots: int, checkpoints: int) -> None:
        self.xml, self.saved, self.snapshots, self.checkpoints = xml, saved, snapshots, checkpoints

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

    assert undefine_flags(host, domain, keep=False) == deleting
    assert undefine_flags(host, domain, keep=True) == keeping


def test_the_test_driver_knows_no_flags_for_nvram_and_tpm() -> None:
    host, domain = connect("test:///default"), Domain(WITH_TPM, saved=True, snapshots=1, checkpoints=0)

    assert undefine_flags(host, domain, keep=False) == MANAGED_SAVE | SNAPSHOTS
