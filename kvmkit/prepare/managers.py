"""Which package manager a host has."""

from __future__ import annotations

from kvmkit.check.facts import Facts
from kvmkit.check.packages import package_manager
from kvmkit.check.system import judge_system, kin
from kvmkit.errors import Unsupported
from kvmkit.prepare.apt import Apt
from kvmkit.prepare.manager import Manager
from kvmkit.prepare.rpm import Dnf, Zypper
from kvmkit.report import Status

__all__ = ["MANAGERS", "manager_of"]

MANAGERS: dict[str, Manager] = {"apt-get": Apt(), "dnf": Dnf(), "zypper": Zypper()}


def manager_of(facts: Facts, where: str) -> str:
    """Name the host's package manager.

    Raises
    ------
    Unsupported
        The system is too old, unknown, or has none that kvmkit knows.
    """
    system = judge_system(facts.os)
    if system.status is Status.FAIL:
        raise Unsupported(f"{where} cannot be prepared: {system.found}; {system.fix}")
    found = facts.os.name or "an unknown system"
    # A manager alone does not tell how packages are named: there is an apt-get for RPMs, too.
    if not kin(facts.os):
        raise Unsupported(
            f"{where} runs {found}, of which kvmkit does not know how its packages are named (ID and ID_LIKE "
            "of /etc/os-release name no distribution that it knows): prepare it by hand"
        )
    name = package_manager(facts)
    if name not in MANAGERS:
        raise Unsupported(
            f"{where} runs {found}, which has none of {', '.join(MANAGERS)}: prepare it by hand"
        )
    return name
