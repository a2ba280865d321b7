"""Warnings and failures about the machine and its kernel, on facts that differ in one thing."""

import pytest

from kvmkit.check.facts import Device, Facts
from tests.unit.check.rows import row


@pytest.mark.parametrize(
    "said",
    [
        "kvm: disabled by bios",
        "kvm: support for 'kvm_amd' disabled by bios",
        "kvm_amd: SVM disabled (by BIOS) in MSR_VM_CR on CPU 0",
        "kvm_intel: VMX not enabled (by BIOS) in MSR_IA32_FEAT_CTL on CPU 0",
        "x86/cpu: VMX (outside TXT) disabled by BIOS",
    ],
)
def test_firmware_that_refuses(debian12: Facts, said: str) -> None:
    check = row(debian12, "virtualization in the firmware", kernel_log=(said,), modules=("kvm",))

    assert (check.status, check.found) == ("FAIL", f"the kernel says: {said}")
    assert "SVM Mode" in check.fix
    assert "VT-x" in check.fix


def test_firmware_that_cannot_be_judged_is_not_passed(debian12: Facts) -> None:
    unread = row(debian12, "virtualization in the firmware", kernel_log=None, modules=("kvm",), user="pat")

    assert (unread.status, "pat may not read the kernel's log" in unread.found) == ("SKIP", True)
    silent = row(
        debian12, "virtualization in the firmware", kernel_log=(), cpu_flags=frozenset({"lm"}), modules=()
    )
    assert silent.status == "SKIP"
    built_in = row(debian12, "virtualization in the firmware", kernel_log=None, device=None)
    assert built_in.status == "SKIP"


def test_a_processor_without_virtualization(debian12: Facts) -> None:
    inside = row(debian12, "processor", cpu_flags=frozenset({"lm", "hypervisor"}))
    assert (inside.status, "nested" in inside.fix, "64-bit mode" in inside.found) == ("FAIL", True, True)

    bare_metal = row(debian12, "processor", cpu_flags=frozenset({"pae"}))
    assert (bare_metal.status, "data sheet" in bare_metal.fix, "no lm" in bare_metal.found) == (
        "FAIL",
        True,
        True,
    )


@pytest.mark.parametrize(("flag", "module"), [("vmx", "kvm_intel"), ("svm", "kvm_amd")])
def test_missing_modules_are_named_for_the_processor(debian12: Facts, flag: str, module: str) -> None:
    check = row(debian12, "kvm modules", cpu_flags=frozenset({flag}), modules=("kvm",), kernel_log=())

    assert (check.status, check.fix.split(";")[0]) == ("FAIL", f"modprobe {module}")


def test_modules_of_another_architecture(debian12: Facts) -> None:
    assert row(debian12, "kvm modules", machine="riscv64", modules=(), device=None).fix == "modprobe kvm"
    assert "built in" in row(debian12, "kvm modules", machine="aarch64", modules=(), device=None).fix
    assert row(debian12, "kvm modules", machine="aarch64", modules=()).status == "PASS"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_modules_without_a_device_are_not_to_be_loaded(debian12: Facts, machine: str) -> None:
    check = row(debian12, "/dev/kvm", machine=machine, device=None)

    assert (check.status, "--device /dev/kvm" in check.fix) == ("FAIL", True)


def test_the_user_of_qemu_is_let_in_by_a_group_and_never_by_roots(debian12: Facts) -> None:
    closed = row(debian12, "/dev/kvm", device=Device(0o640, "root", "kvm", "yes"))
    assert (closed.status, closed.fix) == ("FAIL", "usermod -aG kvm libvirt-qemu, and restart libvirt")

    roots = row(debian12, "/dev/kvm", device=Device(0o600, "root", "root", "yes"))
    assert 'KERNEL=="kvm", GROUP="kvm", MODE="0660"' in roots.fix
    assert "usermod -aG root" not in roots.fix


@pytest.mark.parametrize(
    ("opens", "modules", "found"),
    [
        ("No such device", ("kvm",), "opening /dev/kvm fails (No such device)"),
        ("Permission denied", ("kvm",), "neither kvm_intel nor kvm_amd is behind /dev/kvm"),
    ],
)
def test_a_device_that_was_made_before_the_module_could_be_loaded(
    debian12: Facts, opens: str, modules: tuple[str, ...], found: str
) -> None:
    check = row(debian12, "/dev/kvm", device=Device(0o660, "root", "kvm", opens), modules=modules)

    assert (check.status, check.found) == ("FAIL", f"{found}: VMs are emulated")
    assert check.fix == "load the kvm modules (their row says how)"


def test_memory_and_huge_pages(debian12: Facts) -> None:
    memory = {"MemTotal": 4194304, "MemAvailable": 1048575, "HugePages_Total": 3, "Hugepagesize": 1048576}

    assert row(debian12, "memory", memory_kib=memory).status == "WARN"
    assert row(debian12, "memory", memory_kib={**memory, "MemAvailable": 1048576}).status == "PASS"
    assert row(debian12, "memory", memory_kib={}).status == "SKIP"
    assert (
        row(debian12, "huge pages", memory_kib=memory).found == "3 of 1024 MiB reserved, transparent: always"
    )
