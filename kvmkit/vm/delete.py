"""plan_undefine: delete a VM, and with it only what is its own and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import libvirt

from kvmkit.errors import WrongState
from kvmkit.host import Host
from kvmkit.journal import taken_up
from kvmkit.plan import Plan, Step
from kvmkit.vm.describe import log_files
from kvmkit.vm.facts import domain
from kvmkit.vm.ownership import (
    disk_paths,
    each_volume,
    has_uefi_variables,
    kept_of,
    owned_disks,
)
from kvmkit.vm.storage import delete_volume
from kvmkit.vm.uses import read_uses
from kvmkit.vm.xml import parse

__all__ = ["plan_undefine"]


@dataclass(frozen=True)
class Found:
    """A VM as it is, and who uses its disks."""

    name: str
    uuid: str
    xml: str
    active: bool
    saved: bool
    kept: dict[str, Any]
    """From :func:`kvmkit.vm.ownership.kept_of`."""
    volumes: dict[str, tuple[str, str]]
    """Path of a disk to its pool and volume."""
    users: dict[str, list[str]]
    """Path of a disk to who else uses it."""


def plan_undefine(host: Host, name: str, *, delete_storage: bool = False) -> Plan:
    """Plan to delete a VM; nothing is changed.

    Parameters
    ----------
    host
        Where it is.
    name
        The VM.
    delete_storage
        Also delete the disks that kvmkit made for it, its UEFI variables and its console
        log. A disk that anything else uses, that is read-only or shared, or that was not
        made for this VM is kept, and the notes say so.

    Returns
    -------
    Plan
        What cannot be undone is said in its step.

    Raises
    ------
    NotFound
        No such VM.
    WrongState
        It is transient: it goes by itself when it is shut down.

    Examples
    --------
    >>> import kvmkit as kk
    >>> plan = kk.plan_undefine(kk.connect("test:///default"), "demo", delete_storage=True)
    >>> [step.action for step in plan.steps]
    ['vm-destroy', 'vm-undefine', 'volume-delete']
    """
    title = f"delete VM {name}"
    if begun := taken_up(host.uri, title):
        return begun
    with host.reading(f"plan to {title}") as connection:
        dom = domain(host, connection, name)
        if not dom.isPersistent():
            raise WrongState(
                f"VM {name} on {host.uri} is transient: it is gone when it is shut down, kk.shutdown"
            )
        found = _read(host, connection, dom)
    steps = [*_steps(found, delete_storage=delete_storage)]
    notes = tuple(_kept(found)) if delete_storage else ("its disks are kept",)
    return Plan(uri=host.uri, title=title, steps=tuple(steps), notes=notes, shown={"Its XML": found.xml})


def _read(host: Host, connection: libvirt.virConnect, dom: libvirt.virDomain) -> Found:
    kept = kept_of(dom)
    xml = kept["xml"]
    known = {volume.path(): (pool, volume.name()) for pool, volume in each_volume(connection)}
    volumes = {path: known[path] for path in disk_paths(xml) if path in known}
    uses = read_uses(host, connection, volumes, but=dom.name())
    return Found(
        name=dom.name(),
        uuid=dom.UUIDString(),
        xml=xml,
        active=bool(dom.isActive()),
        saved=bool(dom.hasManagedSaveImage()),
        kept=kept,
        volumes=volumes,
        users={path: uses.of(path) for path in volumes},
    )


def _steps(found: Found, *, delete_storage: bool) -> Iterator[Step]:
    name, vm = found.name, {"name": found.name, "uuid": found.uuid}
    if found.active:
        title, undo = f"stop VM {name} at once", "start it again; what it had in memory is lost"
        yield Step(action="vm-destroy", title=title, undo=undo, args=vm)
    if found.saved:
        lost = f"what VM {name} had in memory when it was saved"
        title = f"discard the saved memory of VM {name}"
        yield Step(action="vm-saved-remove", title=title, lost=lost, args=vm)
    yield _undefine(found, delete_storage=delete_storage)
    if not delete_storage:
        return
    for path in _deletable(found):
        yield delete_volume(*found.volumes[path], path)
    if paths := log_files(found.xml):
        title, lost = f"remove the console log of VM {name}", f"the console log {paths[0]}"
        yield Step(action="files-remove", title=title, lost=lost, args={"paths": paths})


def _undefine(found: Found, *, delete_storage: bool) -> Step:
    xml = parse(found.xml)
    with_it = ["its UEFI variables"] * has_uefi_variables(xml)
    with_it += ["its TPM's secrets"] * (xml.find("devices/tpm") is not None)
    lost = f"VM {found.name}: {' and '.join(with_it)}" if delete_storage and with_it else ""
    kinds = [kind for kind in ("snapshots", "checkpoints") if found.kept.get(kind)]
    others = "".join(f" and its {len(found.kept[kind])} {kind}" for kind in kinds)
    args = {"name": found.name, "uuid": found.uuid, "keep": not delete_storage} | found.kept
    # libvirt never hands a screen's password out with the XML, and it is not for the journal either.
    anew = "(a password of its screen is to be set anew)"
    back = f", with its {' and '.join(kinds)}" if kinds else ""
    undo = f"define it again{back} {anew}"
    title = f"undefine VM {found.name}{others}"
    return Step(action="vm-undefine", title=title, undo="" if lost else undo, lost=lost, args=args)


def _deletable(found: Found) -> list[str]:
    own = owned_disks(found.xml) & set(disk_paths(found.xml, written=True))
    return sorted(path for path in own if path in found.volumes and not found.users[path])


def _kept(found: Found) -> Iterator[str]:
    own, written = owned_disks(found.xml), set(disk_paths(found.xml, written=True))
    for path in sorted(set(disk_paths(found.xml)) - set(_deletable(found))):
        if path not in written:
            reason = "it is read-only or shared"
        elif found.users.get(path):
            reason = f"it is in use by {', '.join(found.users[path])}"
        elif path not in own:
            reason = "kvmkit did not make it for this VM"
        else:
            reason = "it is in no active storage pool"
        yield f"{path} is kept: {reason}"
