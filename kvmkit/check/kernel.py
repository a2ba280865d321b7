"""What the kernel offers: KVM's modules and device, and the memory of the host."""

from __future__ import annotations

from functools import partial

from kvmkit.check.cpu import refused_by_firmware
from kvmkit.check.facts import Facts
from kvmkit.check.kvm import FLAGS, MODULES, dead, qemu_user, usable_kvm
from kvmkit.report import Check, Status

__all__ = ["judge_kernel"]

GIB = 1024 * 1024  # KiB
BUILT_IN = "boot a kernel with KVM: on this architecture it is built in, or not there"
LOAD = "load the kvm modules (their row says how)"
NO_DEVICE = (
    "the kernel has KVM and cannot use it here: in a container, hand the device in (--device /dev/kvm); "
    "else see the row of the firmware; in a VM, turn on nested virtualization where it runs; on ARM, have "
    "the kernel started in hypervisor mode (EL2)"
)
UDEV_RULE = 'KERNEL=="kvm", GROUP="kvm", MODE="0660"'


def judge_kernel(facts: Facts) -> list[Check]:
    """Judge modules, /dev/kvm, nested virtualization, IOMMU, huge pages and memory."""
    return [_modules(facts), _device(facts), _nested(facts), _iommu(facts), _hugepages(facts), _memory(facts)]


def _modules(facts: Facts) -> Check:
    why = "they make /dev/kvm, through which QEMU uses the processor"
    found = ", ".join(facts.modules) or "none"
    if not facts.x86:
        row = partial(Check, "kvm modules", expected="kvm, loaded or built in", why=why)
        # Built in and without parameters a module leaves no trace but its device.
        there = "kvm" in facts.modules or facts.device is not None
        fix = BUILT_IN if facts.machine == "aarch64" else "modprobe kvm"
        return row(Status.PASS, found) if there else row(Status.FAIL, found, fix=fix)
    flags = FLAGS.keys() & facts.cpu_flags
    vendor = {"vmx": "kvm_intel", "svm": "kvm_amd"}[flags.pop()] if flags else "kvm_intel or kvm_amd"
    row = partial(Check, "kvm modules", expected=f"kvm and {vendor}", why=why)
    if "kvm" in facts.modules and MODULES & set(facts.modules):
        return row(Status.PASS, found)
    if " or " in vendor:
        return row(Status.FAIL, found, fix="see the row of the processor: the modules want vmx or svm")
    if refused_by_firmware(facts):
        return row(Status.FAIL, found, fix="see the row of the firmware, which refuses them")
    fix = f"modprobe {vendor}; for the next boot: echo {vendor} > /etc/modules-load.d/kvm.conf"
    return row(Status.FAIL, found, fix=fix)


def _device(facts: Facts) -> Check:
    user, _ = qemu_user(facts)
    row = partial(
        Check,
        "/dev/kvm",
        expected=f"{user or 'the user of QEMU'} can read and write it, and run a guest with it",
        why="QEMU opens it as the user that libvirt gives it; libvirt itself only looks whether it is there",
    )
    usable, reason = usable_kvm(facts)
    if usable:
        return row(Status.PASS, reason)
    if facts.x86 and not FLAGS.keys() & facts.cpu_flags:
        fix = "see the row of the processor; until then kk.plan_vm makes VMs of the type qemu"
        return row(Status.FAIL, reason, fix=fix)
    if facts.device is None or dead(facts, facts.device):
        return row(Status.FAIL, reason, fix=NO_DEVICE if _modules(facts).status is Status.PASS else LOAD)
    if not user:
        return row(Status.SKIP, "the user of QEMU is not there yet: libvirt is not installed")
    return row(Status.FAIL, reason, fix=_let_in(user, facts.device.group, session=facts.session))


def _let_in(user: str, group: str, *, session: bool) -> str:
    again = "log in again" if session else "restart libvirt"
    if group != "root":
        return f"usermod -aG {group} {user}, and {again}"
    # Being in root's group is too much for it: the device gets a group of its own.
    return (
        f"groupadd -f -r kvm; echo '{UDEV_RULE}' > /etc/udev/rules.d/65-kvm.rules; "
        f"udevadm control --reload; udevadm trigger /dev/kvm; usermod -aG kvm {user}; {again}"
    )


def _nested(facts: Facts) -> Check:
    row = partial(
        Check,
        "nested virtualization",
        expected="as you like",
        why="only with it can a VM be a KVM host itself",
    )
    value = facts.values.get("nested")
    if value is None:
        return row(Status.SKIP, "cannot be told: neither kvm_intel nor kvm_amd is loaded")
    if value in ("Y", "1"):
        return row(Status.PASS, "on")
    return row(
        Status.PASS, "off", fix="echo 'options kvm_intel nested=1' > /etc/modprobe.d/kvm.conf (or kvm_amd)"
    )


def _iommu(facts: Facts) -> Check:
    row = partial(
        Check, "IOMMU", expected="on, where PCI devices are handed to VMs", why="nothing else needs it"
    )
    groups = facts.values.get("iommu-groups", "0")
    if groups != "0":
        return row(Status.PASS, f"on, {groups} groups")
    fix = "if needed, turn on VT-d or AMD-Vi in the firmware; on Intel boot with intel_iommu=on"
    return row(Status.PASS, "off", fix=fix)


def _hugepages(facts: Facts) -> Check:
    total = facts.memory_kib.get("HugePages_Total", 0)
    size = facts.memory_kib.get("Hugepagesize", 0) // 1024
    # The kernel marks the choice: always [madvise] never.
    chosen = facts.values.get("transparent-hugepages", "").partition("[")[2].partition("]")[0]
    reserved = f"{total} of {size} MiB reserved, " if total else ""
    return Check(
        "huge pages",
        Status.PASS,
        f"{reserved}transparent: {chosen or 'not offered'}",
        expected="transparent: madvise or always",
        why="they save the processor work with a VM's memory; reserved ones are lost to everything else",
    )


def _memory(facts: Facts) -> Check:
    row = partial(
        Check,
        "memory",
        expected="at least 1 GiB available",
        why="a VM's memory is taken from the host's; when that runs out the kernel kills a VM",
    )
    told = facts.memory_kib
    if "MemTotal" not in told:
        return row(Status.SKIP, "the host does not say")
    # Linux before 3.14 does not say what is available.
    estimate = told.get("MemFree", 0) + told.get("Buffers", 0) + told.get("Cached", 0)
    available = told.get("MemAvailable", estimate)
    found = f"{available / GIB:.1f} of {told['MemTotal'] / GIB:.1f} GiB available"
    if available < GIB:
        return row(Status.WARN, found, fix="shut down what is not needed, or give VMs less memory")
    return row(Status.PASS, found)
