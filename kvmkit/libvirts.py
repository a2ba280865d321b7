"""What the libvirt of a host can do, by its version: the one place that knows.

kvmkit speaks to hosts with libvirt 8.0 (Ubuntu 22.04, RHEL 8) to 12; older ones answer most of it, too.
The description of each flag and function names the version that brought it (https://libvirt.org/html/).
"""

from __future__ import annotations

from typing import Literal

import libvirt

__all__ = ["Ability", "can", "version_text"]

Ability = Literal["checkpoints", "choose what happens to a TPM"]

SINCE: dict[Ability, tuple[int, int, int]] = {
    # virDomainListAllCheckpoints and VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    "checkpoints": (5, 6, 0),
    # VIR_DOMAIN_UNDEFINE_TPM and VIR_DOMAIN_UNDEFINE_KEEP_TPM; before, it goes with its VM in any case
    "choose what happens to a TPM": (8, 9, 0),
}


def can(connection: libvirt.virConnect, ability: Ability) -> bool:
    """Tell whether the host's libvirt, and not this machine's, can do something."""
    major, minor, release = SINCE[ability]
    return bool(connection.getLibVersion() >= major * 1_000_000 + minor * 1_000 + release)


def version_text(connection: libvirt.virConnect) -> str:
    """Give the version of the host's libvirt, such as ``8.0.0``."""
    number = connection.getLibVersion()
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"
