"""The distribution, and the programs that a KVM host needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from kvmkit.check.facts import Facts, OperatingSystem
from kvmkit.report import Check, Status

__all__ = ["judge_packages", "kin", "missing_packages", "package_manager"]

# The oldest releases whose `ip` has a dependable -json (iproute2 4.18).
OLDEST = {
    "debian": (10,),
    "ubuntu": (20,),
    "fedora": (29,),
    "rhel": (8,),
    "centos": (8,),
    "almalinux": (8,),
    "rocky": (8,),
    "ol": (8,),
    "sles": (15, 3),
    "opensuse-leap": (15, 3),
    "opensuse-tumbleweed": (0,),
    "suse": (15, 3),
}
RED_HAT = ("rhel", "centos", "ol", "fedora")
TOO_OLD = (
    "not supported: its ip has no -json, libvirt before 1.2.8 has no statistics of all VMs at once, "
    "and there is no Python 3.11 for runbooks"
)
IFCFG = "; kvmkit can still write the bridge's two ifcfg files for it"
# What is run to install; the first that is there counts.
MANAGERS = {
    "apt-get": "apt-get install",
    "dnf": "dnf install",
    "yum": "yum install",
    "zypper": "zypper install",
}
# Where a package of Debian's is named after the machine: qemu-system-x86.
DEBIAN_QEMU = {"aarch64": "arm", "ppc64le": "ppc", "s390x": "misc", "riscv64": "misc"}


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


def judge_packages(facts: Facts, *, local: bool = True) -> list[Check]:
    """Judge the distribution and its packages.

    Parameters
    ----------
    local
        Whether runbooks run on the host itself: only there is virt-install needed.
    """
    return [_operating_system(facts.os), _programs(facts, local=local)]


def package_manager(facts: Facts) -> str:
    """Name the command that installs packages; empty if there is none that kvmkit knows."""
    return next((manager for manager in MANAGERS if manager in facts.commands), "")


def missing_packages(facts: Facts, *, local: bool = True) -> list[str]:
    """Name the packages that bring what the host lacks; `local` as in :func:`judge_packages`."""
    return [need.package(package_manager(facts)) for need in _missing(facts, local=local)]


def kin(os: OperatingSystem) -> str:
    """Name the distribution known here that this one is, or says it is like; empty if there is none."""
    return next((name for name in (os.id, *os.like) if name in OLDEST), "")


def _operating_system(os: OperatingSystem) -> Check:
    row = partial(
        Check,
        "operating system",
        expected="Debian 10, Ubuntu 20.04, Fedora 29, RHEL 8 and its kin, SUSE 15.3, or newer",
        why="commands, paths and names of packages are known for these",
    )
    found = f"{os.name or 'unknown'}, Linux {os.kernel}"
    version = tuple(int(part) for part in os.version.split(".") if part.isdigit())
    # Debian's testing has no version; what has no os-release file at all is from before 2012.
    if not os.id or (version and version < OLDEST.get(os.id, (0,))):
        # Its predecessor on Red Hat's systems: "CentOS release 6.10 (Final)".
        ifcfg = IFCFG if os.id in RED_HAT or " release " in os.name else ""
        fix = "install a release that is still maintained, and move the VMs there"
        return row(Status.FAIL, f"{found}: {TOO_OLD}{ifcfg}", fix=fix)
    if os.id in OLDEST:
        return row(Status.PASS, found)
    like = kin(os)
    fix = f"go on with care: it is treated as {like}" if like else "prepare it by hand, and go on with care"
    return row(Status.WARN, f"{found}: not tried with kvmkit", fix=fix)


def _missing(facts: Facts, *, local: bool) -> list[Need]:
    needs = _needs(facts.machine, local=local)
    return [need for need in needs if not facts.commands.intersection(need.commands)]


def _needs(machine: str, *, local: bool) -> list[Need]:
    emulator = {"ppc64le": "ppc64"}.get(machine, machine)
    qemu = f"qemu-system-{DEBIAN_QEMU.get(machine, 'x86')}"
    suse = f"qemu-{DEBIAN_QEMU.get(machine, 'x86').replace('misc', machine)}"
    needs = [
        Need((f"qemu-system-{emulator}", "qemu-kvm"), "runs the VMs", qemu, "qemu-kvm", suse),
        Need(("qemu-img",), "makes disk images", "qemu-utils", "qemu-img", "qemu-tools"),
        Need(
            ("libvirtd", "virtqemud"),
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


def _programs(facts: Facts, *, local: bool) -> Check:
    needs = _needs(facts.machine, local=local)
    manager = package_manager(facts)
    row = partial(
        Check,
        "packages",
        expected=", ".join(need.package(manager) for need in needs),
        why="; ".join(f"{need.commands[0]} {need.what}" for need in needs),
        runbook="20-prepare-host",
    )
    if facts.practice:
        return row(Status.SKIP, "rehearsed: the recorded host has them; nothing is installed here")
    missing = _missing(facts, local=local)
    if not missing:
        return row(Status.PASS, "everything needed is there")
    commands = ", ".join(need.commands[0] for need in missing)
    packages = " ".join(missing_packages(facts, local=local))
    fix = f"{MANAGERS[manager]} {packages}" if manager else f"install {packages}, however it is called here"
    return row(Status.FAIL, f"missing: {commands}", fix=fix)
