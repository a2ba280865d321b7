"""plan_undefine: delete a VM, and with it only what is its own and nobody else's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import libvirt

from kvmkit.errors import WrongState
from kvmkit.host import Host
from kvmkit.journal import taken_up
from kvmkit.libvirts import can, version_text
from kvmkit.plan import Plan, Step
from kvmkit.vm.describe import log_files, log_path
from kvmkit.vm.facts import domain
from kvmkit.vm.ownership import has_uefi_variables, kept_of, made_by, owned_disks
from kvmkit.vm.references import disk_files, references, state_files
from kvmkit.vm.storage import delete_volume
from kvmkit.vm.uses import read_uses, resolver
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
    disks: tuple[str, ...]
    """The files and devices behind its disks."""
    written: tuple[str, ...]
    """Those that are its own to write to."""
    left: tuple[str, ...]
    """Files that its snapshots name, and below its disks what was made with it: no disks of it any more."""
    volumes: dict[str, tuple[str, str]]
    """Path of a disk to its pool and volume."""
    users: dict[str, list[str]]
    """Path of a disk, a log or of its own state to who else uses it."""
    tpm_goes: str
    """The version of the host's libvirt, if with that a TPM goes with its VM in any case."""


def plan_undefine(host: Host, name: str, *, delete_storage: bool = False) -> Plan:
    """Plan to delete a VM; nothing is changed.

    Parameters
    ----------
    host
        Where it is.
    name
        The VM.
    delete_storage
        Also delete the disks and the console log that kvmkit made for it, and its UEFI
        variables. What anything else uses, that is read-only or shared, or that was not
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
    xml, resolve = kept["xml"], resolver(connection)
    disks = disk_files(xml, resolve)
    own = owned_disks(xml) - {*disks}
    in_snapshots = {
        reference.path
        for snapshot, _ in kept["snapshots"]
        for reference in references("", snapshot, resolve)
        if reference.kind != "file" or reference.path in own
    } - {"", *disks}
    logs, state = log_files(xml), state_files(parse(xml))
    uses = read_uses(host, connection, [*disks, *own, *in_snapshots, *logs, *state.values()], but=dom.name())
    below = {path for path in own for disk in disks if uses.lies_on(disk, path)}
    left = sorted(path for path in below | in_snapshots if uses.there(path))
    return Found(
        name=dom.name(),
        uuid=dom.UUIDString(),
        xml=xml,
        active=bool(dom.isActive()),
        saved=bool(dom.hasManagedSaveImage()),
        kept=kept,
        disks=tuple(disks),
        written=tuple(disk_files(xml, resolve, written=True)),
        left=tuple(left),
        volumes=dict(_volumes(connection, disks)),
        users={path: uses.of(path) for path in (*disks, *left, *logs, *state.values())},
        tpm_goes="" if can(connection, "choose what happens to a TPM") else version_text(connection),
    )


def _volumes(connection: libvirt.virConnect, paths: list[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    for path in paths:
        with contextlib.suppress(libvirt.libvirtError):  # no volume of an active pool
            volume = connection.storageVolLookupByPath(path)
            yield path, (volume.storagePoolLookupByVolume().name(), volume.name())


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
    if paths := _own_logs(found):
        title, lost = f"remove the console log of VM {name}", f"the console log {paths[0]}"
        yield Step(action="files-remove", title=title, lost=lost, args={"paths": paths})


def _own_logs(found: Found) -> list[str]:
    """Give its console log with its older parts, if kvmkit had it made for this VM and no other names it."""
    paths = log_files(found.xml)
    own = made_by(found.xml) and paths[:1] == [log_path(found.name)]
    return paths if own and not any(found.users[path] for path in paths) else []


def _undefine(found: Found, *, delete_storage: bool) -> Step:
    xml = parse(found.xml)
    state, tpm = state_files(xml), xml.find("devices/tpm") is not None
    variables = has_uefi_variables(xml) and not found.users.get(state.get("nvram", ""))
    with_it = ["its UEFI variables"] * (delete_storage and variables)
    if tpm and found.tpm_goes:
        with_it.append(f"its TPM's secrets, which libvirt {found.tpm_goes} deletes with it")
    elif tpm and delete_storage and not found.users.get(state.get("tpm", "")):
        with_it.append("its TPM's secrets")
    lost = f"VM {found.name}: {' and '.join(with_it)}" if with_it else ""
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
    own = owned_disks(found.xml) & set(found.written)
    return sorted(path for path in own if path in found.volumes and not found.users[path])


def _kept(found: Found) -> Iterator[str]:
    own = owned_disks(found.xml)
    for path in sorted({*found.disks, *found.left} - set(_deletable(found))):
        if path in found.disks and path not in found.written:
            reason = "it is read-only or shared"
        elif found.users.get(path):
            reason = f"it is in use by {', '.join(found.users[path])}"
        elif path not in own:
            reason = "kvmkit did not make it for this VM"
        elif path in found.left:
            reason = "it is no disk of the VM any more"
        else:
            reason = "it is in no active storage pool"
        yield f"{path} is kept: {reason}"
    state = state_files(parse(found.xml)).values()
    for path in (*state, *(log_files(found.xml)[:1] if not _own_logs(found) else ())):
        if found.users[path]:
            yield f"{path} is kept: it is in use by {', '.join(found.users[path])}"
        elif path not in state:
            yield f"{path} is kept: kvmkit did not make it for this VM"
