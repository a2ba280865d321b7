"""The code behind the steps that change a VM."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

import libvirt

from kvmkit.actions import action
from kvmkit.errors import Conflict, LibvirtFailed
from kvmkit.host import Host
from kvmkit.libvirts import can
from kvmkit.plan import Step
from kvmkit.vm.ownership import definition, has_uefi_variables, kept_of, made_by, mark
from kvmkit.vm.references import state_files
from kvmkit.vm.uses import read_uses
from kvmkit.vm.xml import parse

__all__ = ["find_domain", "own_domain", "remove_logs", "undefine_flags"]


def find_domain(connection: libvirt.virConnect, name: str) -> libvirt.virDomain | None:
    """Find a VM; None if there is none of that name."""
    # By list, as a name that is not there is no error here.
    return next((d for d in connection.listAllDomains() if d.name() == name), None)


def own_domain(host: Host, connection: libvirt.virConnect, step: Step) -> libvirt.virDomain | None:
    """Find the VM of a step; None if it is not there.

    Raises
    ------
    Conflict
        Another VM has its name.
    """
    domain = find_domain(connection, step.args["name"])
    if domain is not None and domain.UUIDString() != step.args["uuid"]:
        raise _another(host, step)
    return domain


def _another(host: Host, step: Step) -> Conflict:
    return Conflict(f"another VM named {step.args['name']} is on {host.uri}; it is left alone")


@contextlib.contextmanager
def _look(host: Host, step: Step) -> Iterator[libvirt.virDomain | None]:
    with host.reading(f"look for VM {step.args['name']}") as connection:
        yield own_domain(host, connection, step)


class Irreversible:
    """What the steps share that say what is lost by them: the engine undoes none."""

    def unmake(self, host: Host, step: Step) -> None:
        raise Conflict(step.lost)


class Define:
    """``name``, ``uuid``, ``xml``, ``disks``: define a VM."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether it is there and bears our mark."""
        with _look(host, step) as domain:
            if domain is not None and made_by(definition(domain)) != token:
                raise _another(host, step)
            return domain is not None

    def make(self, host: Host, step: Step, token: str) -> None:
        with host.changing(f"define VM {step.args['name']}") as connection:
            connection.defineXML(mark(step.args["xml"], token, step.args["disks"]))

    def unmake(self, host: Host, step: Step) -> None:
        """Undefine it, with what it has gathered since."""
        with host.changing(f"undefine VM {step.args['name']}") as connection:
            domain = own_domain(host, connection, step)
            if domain is not None:
                domain.undefineFlags(undefine_flags(host, domain, kept=_kept_state(host, domain, keep=False)))


class Undefine:
    """``name``, ``uuid``, ``keep``, and all that libvirt keeps of it: undefine a VM that is off."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        with _look(host, step) as domain:
            return domain is None

    def make(self, host: Host, step: Step, token: str) -> None:
        """Undefine it, if it is still as planned: undo can give back only what the plan has seen."""
        with host.changing(f"undefine VM {step.args['name']}") as connection:
            domain = connection.lookupByName(step.args["name"])
            same = step.args.items() >= kept_of(domain).items()
            if not same or domain.isActive() or domain.hasManagedSaveImage():
                raise Conflict(f"VM {step.args['name']} was changed on {host.uri} since planning; plan again")
            kept = _kept_state(host, domain, keep=step.args["keep"])
            domain.undefineFlags(undefine_flags(host, domain, kept=kept))

    def unmake(self, host: Host, step: Step) -> None:
        """Define it again, with its snapshots and checkpoints."""
        with host.changing(f"define VM {step.args['name']} again") as connection:
            domain = connection.defineXML(step.args["xml"])
            domain.setAutostart(int(step.args["autostart"]))
            for snapshot, current in step.args["snapshots"]:
                flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT if current else 0
                domain.snapshotCreateXML(snapshot, flags | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
            for checkpoint in step.args.get("checkpoints", ()):
                domain.checkpointCreateXML(checkpoint, libvirt.VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE)


def undefine_flags(host: Host, domain: libvirt.virDomain, *, kept: Collection[str]) -> int:
    """Derive the flags from what the VM has: libvirt refuses to undefine without, and unknown ones too.

    NVRAM and TPM are kept or deleted with the VM, never both (virDomainUndefineFlags): those in `kept` stay.
    """
    connection = domain.connect()
    xml = parse(definition(domain))
    flags = 0
    if domain.hasManagedSaveImage():
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    if domain.snapshotNum():
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    if can(connection, "checkpoints") and domain.listAllCheckpoints():
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    if host.practice:  # no VM of the test driver's has such files, and it refuses their flags
        return flags
    if has_uefi_variables(xml):
        keep, delete = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM, libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        flags |= keep if "nvram" in kept else delete
    if xml.find("devices/tpm") is not None and can(connection, "choose what happens to a TPM"):
        keep, delete = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_TPM, libvirt.VIR_DOMAIN_UNDEFINE_TPM
        flags |= keep if "tpm" in kept else delete
    return flags


def _kept_state(host: Host, domain: libvirt.virDomain, *, keep: bool) -> set[str]:
    """Tell which of a VM's own state stays: all if that is wanted, else what is in files that others name."""
    files = {} if keep else state_files(parse(definition(domain)))
    if not files:
        return {"nvram", "tpm"} if keep else set()
    uses = read_uses(host, domain.connect(), files.values(), but=domain.name())
    return {kind for kind, path in files.items() if uses.of(path)}


class Autostart:
    """``name``, ``uuid``: have a VM start with the host."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        with _look(host, step) as domain:
            return domain is not None and bool(domain.autostart())

    def make(self, host: Host, step: Step, token: str) -> None:
        self._set(host, step.args["name"], on=True)

    def unmake(self, host: Host, step: Step) -> None:
        self._set(host, step.args["name"], on=False)

    def _set(self, host: Host, name: str, *, on: bool) -> None:
        with host.changing(f"set autostart of {name}") as connection:
            connection.lookupByName(name).setAutostart(int(on))


class Start:
    """``name``, ``uuid``, ``logs``: start a VM."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether it runs; a guest that was started and has ended by itself since has been started."""
        return _is_active(host, step) or state == "done"

    def make(self, host: Host, step: Step, token: str) -> None:
        try:
            _start(host, step)
        except LibvirtFailed:
            remove_logs(host, step.args["logs"], but=step.args["name"])  # made before QEMU gave up
            raise

    def unmake(self, host: Host, step: Step) -> None:
        """Stop it at once and remove the console log that its start made."""
        _destroy(host, step)
        remove_logs(host, step.args["logs"], but=step.args["name"])


class Destroy:
    """``name``, ``uuid``: stop a VM at once, as if the power were cut."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        return not _is_active(host, step)

    def make(self, host: Host, step: Step, token: str) -> None:
        _destroy(host, step)

    def unmake(self, host: Host, step: Step) -> None:
        if not _is_active(host, step):
            _start(host, step)


def _start(host: Host, step: Step) -> None:
    with host.changing(f"start VM {step.args['name']}") as connection:
        connection.lookupByName(step.args["name"]).create()


def _is_active(host: Host, step: Step) -> bool:
    with _look(host, step) as domain:
        return domain is not None and bool(domain.isActive())


def _destroy(host: Host, step: Step) -> None:
    with host.changing(f"destroy VM {step.args['name']}") as connection:
        domain = own_domain(host, connection, step)
        if domain is not None and domain.isActive():
            domain.destroy()


class RemoveSaved(Irreversible):
    """``name``, ``uuid``: discard a VM's managed save."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        with _look(host, step) as domain:
            return domain is None or not domain.hasManagedSaveImage()

    def make(self, host: Host, step: Step, token: str) -> None:
        with host.changing(f"discard the saved memory of VM {step.args['name']}") as connection:
            connection.lookupByName(step.args["name"]).managedSaveRemove(0)


class RemoveFiles(Irreversible):
    """``paths``: remove files that kvmkit had made beside a VM."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        return host.run(["ls", "-d", "--", *step.args["paths"]], ok=False).stdout == ""

    def make(self, host: Host, step: Step, token: str) -> None:
        """Remove them, unless a VM has come to name one since planning."""
        if kept := remove_logs(host, step.args["paths"]):
            users = "; ".join(f"{path} by {', '.join(named)}" for path, named in kept.items())
            raise Conflict(f"in use on {host.uri}: {users}; it is kept")


def remove_logs(host: Host, paths: list[str], *, but: str = "") -> dict[str, list[str]]:
    """Remove a console log's files that no VM, `but` one, names; give the others, with who names them."""
    if not paths:
        return {}
    with host.reading("look who uses a console log") as connection:
        uses = read_uses(host, connection, paths, but=but)
    kept = {path: users for path in paths if (users := uses.of(path))}
    # The older parts of a log are whose the log is.
    if free := [path for path in paths if not any(f"{path}.".startswith(f"{log}.") for log in kept)]:
        host.run(["rm", "-f", "--", *free])
    return kept


action("vm-define", Define())
action("vm-undefine", Undefine())
action("vm-autostart", Autostart())
action("vm-start", Start(), fleeting=True)
action("vm-destroy", Destroy())
action("vm-saved-remove", RemoveSaved())
action("files-remove", RemoveFiles())
