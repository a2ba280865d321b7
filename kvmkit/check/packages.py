"""The programs that a KVM host needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from kvmkit.check.facts import DAEMONS, Facts
from kvmkit.check.system import kin, mended
from kvmkit.report import Check, Status

__all__ = ["can_install", "judge_packages", "missing_packages", "package_manager"]

# What is run to install; the first that is there counts.
MANAGERS = ("apt-get", "dnf", "yum", "zypper")
DRIVEN = ("apt-get", "dnf", "zypper")
"""Those that kvmkit itself can run; yum alone is found on systems that are too old."""
# Where a package of Debian's is named after the machine: qemu-system-x86.
DEBIAN_QEMU = {
    **dict.fromkeys(("x86_64", "i686", "i586", "i486", "i386"), "x86"),
    **dict.fromkeys(("aarch64", "armv8l", "armv7l", "armv6l"), "arm"),
    **dict.fromkeys(("ppc64le", "ppc64", "ppc"), "ppc"),
    **dict.fromkeys(("mips", "mips64"), "mips"),
    **dict.fromkeys(("sparc64", "sparc"), "sparc"),
    **dict.fromkeys(("s390x", "riscv64", "loongarch64"), "misc"),
}
EMULATORS = {"ppc64le": "ppc64", **dict.fromkeys(("armv8l", "armv7l", "armv6l"), "arm")}
"""Machines whose emulator has another name; the 32-bit ones of a PC have that of 64 bits."""


@dataclass(frozen=True)
class Need:
    """A program, what it is for, and the packages that bring it."""

    commands: tuple[str, ...]
    what: str
    apt: str
    dnf: str
    zypper: str
    client: bool = False

    def package(self, manager: str) -> str:
        """Name it as the host's package manager does."""
        return {"apt-get": self.apt, "zypper": self.zypper}.get(manager, self.dnf)


def package_manager(facts: Facts) -> str:
    """Name the command that installs packages; empty if there is none that kvmkit knows."""
    return next((manager for manager in MANAGERS if manager in facts.commands), "")


def can_install(facts: Facts) -> bool:
    """Whether the manager is known here, and how packages are named: the one does not tell the other."""
    return bool(kin(facts.os)) and package_manager(facts) in DRIVEN


def missing_packages(facts: Facts, *, local: bool = True) -> list[str]:
    """Name the packages that bring what the host lacks; `local` as in :func:`judge_packages`."""
    return [need.package(package_manager(facts)) for need in _missing(facts, local=local)]


def _missing(facts: Facts, *, local: bool) -> list[Need]:
    needs = _needs(facts.machine, local=local)
    return [need for need in needs if not facts.commands.intersection(need.commands)]


def _needs(machine: str, *, local: bool) -> list[Need]:
    kind = DEBIAN_QEMU.get(machine, "")
    emulator = "x86_64" if kind == "x86" else EMULATORS.get(machine, machine)
    # All emulators, where it is not known which package has that of the machine.
    qemu = f"qemu-system-{kind}" if kind else "qemu-system"
    suse = f"qemu-{kind.replace('misc', machine)}" if kind else "qemu"
    needs = [
        Need((f"qemu-system-{emulator}", "qemu-kvm"), "runs the VMs", qemu, "qemu-kvm", suse),
        Need(("qemu-img",), "makes disk images", "qemu-utils", "qemu-img", "qemu-tools"),
        Need(
            DAEMONS,
            "manages the VMs",
            "libvirt-daemon-system",
            "libvirt-daemon-kvm",
            "libvirt-daemon-qemu",
        ),
        Need(("virsh",), "is libvirt's command line", "libvirt-clients", "libvirt-client", "libvirt-client"),
        Need(("dnsmasq",), "gives addresses on libvirt's networks", "dnsmasq-base", "dnsmasq", "dnsmasq"),
        Need(("virt-install",), "describes new VMs", "virtinst", "virt-install", "virt-install", client=True),
    ]
    return [need for need in needs if local or not need.client]


def judge_packages(facts: Facts, *, local: bool = True) -> Check:
    """Judge whether they are there; `local`: runbooks run on the host itself, which so needs virt-install."""
    needs = _needs(facts.machine, local=local)
    manager = package_manager(facts)
    row = partial(
        Check,
        "packages",
        expected=", ".join(need.package(manager) for need in needs),
        why="; ".join(f"{need.commands[0]} {need.what}" for need in needs),
    )
    if facts.practice:
        found = "rehearsed: the recorded host has them; nothing is installed here"
        names = [need.package(manager) for need in needs]
        return row(Status.SKIP, found, **mended(facts, "plan_packages", *names))
    missing = _missing(facts, local=local)
    if not missing:
        return row(Status.PASS, "everything needed is there")
    commands = ", ".join(need.commands[0] for need in missing)
    packages = " ".join(missing_packages(facts, local=local))
    fix = f"{manager} install {packages}" if manager else f"install {packages}, however it is called here"
    plan = mended(facts, "plan_packages") if can_install(facts) else {}
    return row(Status.FAIL, f"missing: {commands}", fix=fix, **plan)
