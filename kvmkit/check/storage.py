"""Space for disk images."""

from __future__ import annotations

from functools import partial

from kvmkit.check.facts import Facts, Pool
from kvmkit.report import Check, Status

__all__ = ["judge_storage"]

GIB = 1024 * 1024  # KiB
LEAST_GIB = 10


def judge_storage(facts: Facts) -> Check:
    """Judge the space where pools keep their volumes."""
    row = partial(
        Check,
        "space for disk images",
        expected=f"at least {LEAST_GIB} GiB free",
        why="images grow while VMs run; a VM whose image cannot grow is paused",
    )
    hidden = f"; {facts.user} may not see the other pools" if facts.pools_hidden else ""
    if not facts.pools:
        return row(Status.SKIP, f"no folder of a pool is there yet{hidden}")
    found = ", ".join(map(_described, facts.pools)) + hidden
    if any(pool.free_kib < LEAST_GIB * GIB for pool in facts.pools):
        fix = "delete images that nothing uses, or make a pool on a larger file system"
        return row(Status.WARN, found, fix=fix)
    return row(Status.PASS, found)


def _described(pool: Pool) -> str:
    return f"{pool.folder}: {pool.free_kib / GIB:.0f} of {pool.size_kib / GIB:.0f} GiB free"
