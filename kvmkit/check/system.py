"""The distribution, and what kvmkit may mend on it."""

from __future__ import annotations

from functools import partial
from typing import Any

from kvmkit.check.facts import Facts, OperatingSystem
from kvmkit.report import Check, Status

__all__ = ["NO_SYSTEMD", "RED_HAT", "judge_system", "kin", "mended"]

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
RED_HAT = {"rhel", "centos", "ol", "fedora"}
TOO_OLD = (
    "not supported: its ip has no -json, libvirt before 1.2.8 has no statistics of all VMs at once, "
    "and there is no Python 3.11 for runbooks"
)
IFCFG = "; kvmkit can still write the bridge's two ifcfg files for it"
RUNBOOK = "20-prepare-host"
NO_SYSTEMD = "cannot be told: the host does not run systemd"


def kin(os: OperatingSystem) -> str:
    """Name the distribution known here that this one is, or says it is like; empty if there is none."""
    return next((name for name in (os.id, *os.like) if name in OLDEST), "")


def mended(facts: Facts, function: str, *words: str) -> dict[str, Any]:
    """Give what a row says of the plan that mends it (`Check.mended_by`); on too old a system nothing."""
    return {} if _too_old(facts.os) else {"runbook": RUNBOOK, "mended_by": (function, *words)}


def judge_system(os: OperatingSystem) -> Check:
    """Judge whether it is one that is known, and new enough."""
    row = partial(
        Check,
        "operating system",
        expected="Debian 10, Ubuntu 20.04, Fedora 29, RHEL 8 and its kin, SUSE 15.3, or newer",
        why="commands, paths and names of packages are known for these",
    )
    found = f"{os.name or 'unknown'}, Linux {os.kernel}"
    if _too_old(os):
        # Its predecessor on Red Hat's systems: "CentOS release 6.10 (Final)".
        ifcfg = IFCFG if os.id in RED_HAT or " release " in os.name else ""
        fix = "install a release that is still maintained, and move the VMs there"
        return row(Status.FAIL, f"{found}: {TOO_OLD}{ifcfg}", fix=fix)
    if os.id in OLDEST:
        return row(Status.PASS, found)
    like = kin(os)
    fix = f"go on with care: it is treated as {like}" if like else "prepare it by hand, and go on with care"
    return row(Status.WARN, f"{found}: not tried with kvmkit", fix=fix)


def _too_old(os: OperatingSystem) -> bool:
    version = tuple(int(part) for part in os.version.split(".") if part.isdigit())
    # Debian's testing has no version; what has no os-release file at all is from before 2012.
    return not os.id or bool(version and version < OLDEST.get(os.id, (0,)))
