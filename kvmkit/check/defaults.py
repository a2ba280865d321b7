"""The pool and the network that VMs use unless told otherwise."""

from __future__ import annotations

from functools import partial

from kvmkit.check.facts import FOLDER, TAKEN, Facts
from kvmkit.check.system import mended
from kvmkit.report import Check, Status

__all__ = ["judge_defaults"]

ALL = frozenset({"defined", "active", "autostart"})
DEFINE = {
    "pool": "define-as default dir --target /var/lib/libvirt/images",
    "network": "define /usr/share/libvirt/networks/default.xml",
}


def judge_defaults(facts: Facts) -> Check:
    """Judge whether both are there, now and after a boot."""
    row = partial(
        Check,
        "default pool and network",
        expected="both active, and started with the host",
        why="a VM gets its disk from the one and its address from the other, unless told otherwise",
    )
    if facts.session:
        return row(Status.SKIP, "qemu:///session makes its pools itself, and has no network of its own")
    if not facts.libvirt:
        return row(Status.SKIP, "libvirt, which has them, is not installed")
    if facts.defaults is None:
        return row(Status.SKIP, f"cannot be told: {facts.user} may not look into libvirt's folders")
    found = "; ".join(f"{kind} {_described(words)}" for kind, words in facts.defaults.items())
    if all(words >= ALL for words in facts.defaults.values()):
        return row(Status.PASS, found)
    missing = [command for kind, words in facts.defaults.items() for command in _missing(kind, words)]
    name_it = ["give the name of that pool wherever one is asked for, such as VMSpec(pool=...)"]
    told = "; ".join([*missing, *(name_it if TAKEN in facts.defaults["pool"] else ())])
    return row(Status.WARN, found, fix=told, **(mended(facts, "plan_defaults") if missing else {}))


def _described(words: frozenset[str]) -> str:
    if TAKEN in words:
        return f"not there, as another pool has {FOLDER}"
    if "defined" not in words:
        return "not there"
    active = "active" if "active" in words else "not active"
    return f"{active}, {'started' if 'autostart' in words else 'not started'} with the host"


def _missing(kind: str, words: frozenset[str]) -> list[str]:
    """Name virsh's commands that make up for what is missing."""
    if TAKEN in words:
        return []
    commands = {"defined": DEFINE[kind], "active": "start default", "autostart": "autostart default"}
    prefix = {"pool": "pool", "network": "net"}[kind]
    return [f"virsh {prefix}-{command}" for word, command in commands.items() if word not in words]
