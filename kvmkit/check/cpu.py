"""The processor, and whether the firmware lets it virtualize."""

from __future__ import annotations

import re
from functools import partial

from kvmkit.check.facts import Facts
from kvmkit.check.kvm import FLAGS, MODULES
from kvmkit.report import Check, Status

__all__ = ["judge_cpu", "refused_by_firmware"]

# kernel: arch/x86/kernel/cpu/feat_ctl.c "VMX (outside TXT) disabled by BIOS"; arch/x86/kvm/svm/svm.c
# "SVM disabled (by BIOS) in MSR_VM_CR", vmx.c "VMX not enabled (by BIOS) in MSR_IA32_FEAT_CTL";
# before Linux 6.1 kvm.ko said "kvm: disabled by bios".
DISABLED = re.compile(r"(kvm|vmx|svm).*(disabled|not enabled).*bios", re.IGNORECASE)

ENTER_FIRMWARE = (
    "reboot, enter the firmware's set-up (often F2, F10 or Del), turn on the processor setting named Intel "
    "Virtualization Technology or VT-x, or SVM Mode or AMD-V, save, and switch the machine off and on"
)
NESTED = (
    "this machine is itself a VM: turn on nested virtualization where it runs (there: module parameter "
    "nested=1 of kvm_intel or kvm_amd, and the VM's CPU mode host-passthrough)"
)


def judge_cpu(facts: Facts) -> list[Check]:
    """Judge the processor's flags and the firmware."""
    return [_flags(facts), _firmware(facts)]


def _flags(facts: Facts) -> Check:
    row = partial(
        Check,
        "processor",
        expected="vmx (Intel VT-x) or svm (AMD-V)",
        why="KVM runs guests on the processor itself; without it they are emulated, many times slower",
    )
    if not facts.x86:
        found = f"{facts.machine}, {facts.processors} processors; only x86 has a flag for virtualization"
        return row(Status.PASS, found, expected="on this architecture: /dev/kvm")
    # Older instructions search for vmx, svm and lm, as if each were virtualization.
    long_mode = (
        "lm (64-bit mode, which is not virtualization)" if "lm" in facts.cpu_flags else "no lm (32-bit)"
    )
    inside = "; this machine is itself a VM" if "hypervisor" in facts.cpu_flags else ""
    flags = [f"{flag} ({what})" for flag, what in FLAGS.items() if flag in facts.cpu_flags]
    if flags:
        return row(Status.PASS, f"{', '.join(flags)}, {long_mode}{inside}")
    fix = NESTED if inside else f"if the processor can do it (see its data sheet), {ENTER_FIRMWARE}"
    return row(Status.FAIL, f"neither vmx nor svm; {long_mode}{inside}", fix=fix)


def _firmware(facts: Facts) -> Check:
    row = partial(
        Check,
        "virtualization in the firmware",
        expected="turned on",
        why="many machines are sold with it turned off, and then the kvm modules refuse to load",
    )
    if said := refused_by_firmware(facts):
        return row(Status.FAIL, f"the kernel says: {said}", fix=ENTER_FIRMWARE)
    # One that is built into the kernel is listed whatever it found.
    if facts.device is not None and MODULES & set(facts.modules):
        return row(Status.PASS, "turned on: the kernel's module accepted the processor")
    if not facts.x86:
        return row(Status.SKIP, f"{facts.machine} has no such setting")
    if not FLAGS.keys() & facts.cpu_flags:
        return row(Status.SKIP, "cannot be told: the processor shows neither vmx nor svm")
    if facts.kernel_log is None:
        return row(
            Status.SKIP,
            f"cannot be told: no module made a /dev/kvm, and {facts.user} may not read the kernel's log, or "
            "it no longer goes back to the boot",
        )
    return row(Status.PASS, "the kernel's log does not object")


def refused_by_firmware(facts: Facts) -> str:
    """Give the kernel's words on virtualization being turned off; empty if it said none."""
    return next((line for line in facts.kernel_log or () if DISABLED.search(line)), "")
