"""Whether QEMU can use KVM on a host: decided here, as libvirt's capabilities go by /dev/kvm alone."""

from __future__ import annotations

from stat import filemode

from kvmkit.check.facts import Device, Facts

__all__ = ["FLAGS", "MODULES", "dead", "qemu_user", "usable_kvm"]

FLAGS = {"vmx": "VT-x", "svm": "AMD-V"}
MODULES = {"kvm_intel", "kvm_amd"}


def usable_kvm(facts: Facts) -> tuple[bool, str]:
    """Whether a VM can run under KVM, and why or why not.

    ``/dev/kvm`` is not enough on x86: a kernel can offer it on a processor
    that shows neither ``vmx`` nor ``svm``, and a guest then hangs for ever.
    """
    flags = [flag for flag in FLAGS if flag in facts.cpu_flags]
    if facts.x86 and not flags:
        there = "although /dev/kvm is there" if facts.device else "and there is no /dev/kvm"
        return False, f"the processor shows neither vmx nor svm, {there}: VMs are emulated"
    if facts.device is None:
        return False, "there is no /dev/kvm: VMs are emulated"
    if reason := dead(facts, facts.device):
        return False, f"{reason}: VMs are emulated"
    name, groups = qemu_user(facts)
    if not _may_open(facts, facts.device, name, groups):
        return False, (
            f"{name or 'the user of QEMU'} may not read and write /dev/kvm "
            f"({_described(facts.device)}): VMs are emulated"
        )
    shown = f"the processor shows {flags[0]} and " if flags else ""
    return True, f"{shown}{name or 'everybody'} can use /dev/kvm"


def dead(facts: Facts, device: Device) -> str:
    """Say why nobody can open a device that is there; empty if somebody can.

    systemd makes ``/dev/kvm`` for a module that may yet be loaded (modules.devname; static_node of
    50-udev-default.rules), and a container may show it without a right to it.
    """
    if device.opens not in ("yes", "Permission denied"):
        return f"opening /dev/kvm fails ({device.opens})"
    if facts.x86 and not MODULES & set(facts.modules):
        return "neither kvm_intel nor kvm_amd is behind /dev/kvm"
    return ""


def qemu_user(facts: Facts) -> tuple[str, frozenset[str]]:
    """Name the user that QEMU runs as, and its groups; an empty name if libvirt is not installed.

    ``user`` and ``group`` of qemu.conf, where it can be read, else libvirt-qemu on
    Debian and Ubuntu, qemu elsewhere; with ``qemu:///session`` who connects.
    """
    if facts.session:
        return facts.user, facts.user_groups
    conf = facts.qemu_conf or {}
    name = conf.get("user", "").removeprefix("+")
    name = "root" if name == "0" else name
    if not name:
        name = next((known for known in ("libvirt-qemu", "qemu") if known in facts.accounts), "")
    groups = facts.accounts.get(name, frozenset())
    return name, groups | {conf["group"]} if conf.get("group") else groups


def _may_open(facts: Facts, device: Device, name: str, groups: frozenset[str]) -> bool:
    """Evaluate the mode or the access control list, as acl(5) does."""
    if facts.session:  # the prober is the user, and has tried
        return device.opens == "yes"
    if name == "root":  # QEMU keeps root's capabilities, and no mode stops it
        return True
    entries = _access_list(device)
    mask = next((rights for kind, _, rights in entries if kind == "mask"), "rw-")
    for kind, who, rights in entries:
        if kind == "user" and (who or device.owner) == name:
            return _read_write(rights) and (not who or _read_write(mask))
    granted = [rights for kind, who, rights in entries if kind == "group" and (who or device.group) in groups]
    if granted:
        return any(map(_read_write, granted)) and _read_write(mask)
    return any(_read_write(rights) for kind, _, rights in entries if kind == "other")


def _access_list(device: Device) -> list[tuple[str, str, str]]:
    """Give kind, name (empty: the device's own) and rights of each entry of the list, or else of the mode."""
    if device.acl:
        entries = (entry.split(":") for entry in device.acl)
        return [(kind, who, rights[:3]) for kind, who, rights in entries]
    rights = filemode(device.mode)[1:]
    return [("user", "", rights[:3]), ("group", "", rights[3:6]), ("other", "", rights[6:])]


def _read_write(rights: str) -> bool:
    return rights.startswith("rw")


def _described(device: Device) -> str:
    return f"mode {device.mode:04o}, owner {device.owner}, group {device.group}"
