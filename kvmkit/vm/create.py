"""plan_vm: from a spec and what is on the host to the steps that make the VM."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kvmkit.check.facts import read_facts
from kvmkit.check.kvm import qemu_user, usable_kvm
from kvmkit.errors import InvalidSpec
from kvmkit.host import Host
from kvmkit.journal import taken_up
from kvmkit.plan import Plan, Step
from kvmkit.spec import shortened
from kvmkit.vm.describe import Described, Disk, describe, log_path
from kvmkit.vm.needs import Needs, Pool, most_vcpus, no_cd, read_needs
from kvmkit.vm.spec import VMSpec
from kvmkit.vm.storage import GIB, create_volume
from kvmkit.vm.uses import FILE_POOLS

__all__ = ["Decided", "decide", "plan_vm", "vm_notes", "vm_steps"]

DEVICE_POOLS = ("logical", "zfs")
"""Pools whose volumes are block devices that libvirt makes, by a name that one may choose."""
NO_POOLS = {
    "rbd": "a pool of Ceph, which has no folder and no device on this host",
    "gluster": "a pool without a folder: mount that volume, and make a pool of type netfs of it",
    "iscsi-direct": "a pool without a folder: one of type iscsi has devices",
    "sheepdog": "a pool without a folder",
    "disk": "its volumes are partitions, whose names are the disk's own",
    "scsi": "its volumes are what the storage has, and libvirt makes none",
    "iscsi": "its volumes are made on the iSCSI server, and not by libvirt",
    "mpath": "its volumes are what the storage has, and libvirt makes none",
}
"""Pools in which kvmkit can't make a disk, and why."""


def plan_vm(host: Host, spec: VMSpec) -> Plan:
    """Plan a new VM; nothing is changed.

    Parameters
    ----------
    host
        Where it is to run.
    spec
        What is asked for: a blank disk and an ISO, an existing image, or a kernel and initrd.

    Returns
    -------
    Plan
        Volume, definition, autostart if asked for, start.  It shows virt-install's command
        line and the XML; the notes say what was chosen.

    Raises
    ------
    InvalidSpec
        Naming each field that does not fit the host, its value and what the host has.

    Examples
    --------
    >>> import kvmkit as kk
    >>> plan = kk.plan_vm(kk.connect("test:///default"), kk.VMSpec(name="web1"))
    >>> [step.action for step in plan.steps]
    ['volume-create', 'vm-define', 'vm-start']
    """
    if begun := taken_up(host.uri, _title(spec)):
        return begun
    return _plan(host.uri, spec, decide(host, spec))


@dataclass(frozen=True)
class Decided:
    """What a spec comes to on a host.

    Attributes
    ----------
    needs
        The facts that it was judged by.
    disk
        The new disk, if there is one.
    described
        What virt-install says of the VM.
    kind
        ``kvm`` or ``qemu``, and why.
    """

    needs: Needs
    disk: Disk | None
    described: Described
    kind: str


def decide(host: Host, spec: VMSpec) -> Decided:
    """Judge a spec by what is on the host, and have virt-install describe the VM.

    Raises
    ------
    InvalidSpec
        Naming each field that does not fit the host.
    """
    needs, kvm = read_needs(host, spec), read_facts(host, only_kvm=True)
    problems: dict[str, str] = {}
    for name, text in (*_problems(spec, needs), *_closed(spec, needs, *qemu_user(kvm))):
        problems.setdefault(name, f"{shortened(getattr(spec, name), 80)}: {text}")
    if problems:
        raise InvalidSpec(problems)
    usable, reason = usable_kvm(kvm)
    disk = _disk(spec, needs)
    cdrom = needs.find(spec.cdrom, spec.pool)[0].path if spec.cdrom else ""
    described = describe(host, spec, disk, cdrom, "kvm" if usable else "qemu")
    if spec.vcpus > needs.cpus and spec.vcpus > (most := most_vcpus(host, described.xml)):
        raise InvalidSpec({"vcpus": f"{spec.vcpus}: its machine type takes {most} on that host"})
    return Decided(needs, disk, described, f"{'kvm' if usable else 'qemu'}: {reason}")


def _problems(spec: VMSpec, needs: Needs) -> Iterator[tuple[str, str]]:
    """Say, field by field, what does not fit the host."""
    if spec.name in needs.vms:
        yield "name", f"a VM of that name is there already; taken are: {_some(needs.vms)}"
    if spec.memory_mib > needs.memory_mib:
        yield "memory_mib", f"the host has {needs.memory_mib} MiB in all"
    if spec.bridge and spec.bridge not in needs.bridges:
        yield "bridge", f"no such bridge; the host has: {_some(needs.bridges)}"
    elif spec.network and not spec.bridge and not needs.networks.get(spec.network):
        state = "is not active" if spec.network in needs.networks else "is not there"
        active = [name for name, on in needs.networks.items() if on]
        yield "network", f"that network {state}; active are: {_some(active)}"
    if spec.vnc_port in needs.vnc_ports:
        yield "vnc_port", f"VM {needs.vnc_ports[spec.vnc_port]} has it; -1 takes a free one"
    for name in ("kernel", "initrd"):
        path = getattr(spec, name)
        if path and path not in needs.files:
            yield name, "no such file on the host"
    for name in ("image", "cdrom"):
        yield from _lookup_problems(name, spec, needs)
    yield from _disk_problems(spec, needs)


def _lookup_problems(name: str, spec: VMSpec, needs: Needs) -> Iterator[tuple[str, str]]:
    wanted = getattr(spec, name)
    found = needs.find(wanted, spec.pool)
    if wanted and not found:
        folders = _some([f"{pool} ({p.path})" for pool, p in needs.pools.items()])
        refresh = f"if it lies there, libvirt has not seen it yet: virsh pool-refresh {spec.pool}"
        yield name, f"in no active storage pool of the host; put it into one of: {folders}; {refresh}"
    elif len(found) > 1:
        yield name, f"several pools have it; give one path of: {_some([v.path for v in found])}"
    elif wanted and not found[0].path.startswith("/"):
        # virt-install would take such a name for a file of the host's, and make a pool for it.
        yield (
            name,
            f"it is in pool {found[0].pool}, which has no folder on the host: {found[0].path} is no file",
        )
    elif wanted and name == "cdrom" and (why := no_cd(found[0].format)):
        yield name, f"{why}; for a disk with a system on it: image={wanted!r}"


def _disk_problems(spec: VMSpec, needs: Needs) -> Iterator[tuple[str, str]]:
    pool = needs.pools.get(spec.pool)
    if pool is None:
        yield "pool", f"no such active pool; active are: {_some(needs.pools)}"
        return
    image = needs.find(spec.image, spec.pool)[:1]
    if (spec.disk_gib or spec.image) and (why := _no_disk_in(pool)):
        usable = [name for name, other in needs.pools.items() if not _no_disk_in(other)]
        yield (
            "pool",
            f"no disk can be made in a pool of type {pool.type}: {why}; pools for that: {_some(usable)}",
        )
    if needs.image_writers:
        yield "image", f"in use: {_some(needs.image_writers)} writes to it, and a base image must not change"
    if needs.image_strays:
        stray = f"it lies on top of {_some(needs.image_strays)}, in no active pool, which the VM could read"
        yield "image", f"{stray}; 'qemu-img convert' makes one image of both"
    for base in image:
        if spec.disk_gib and spec.disk_gib * GIB < base.capacity:
            size = f"{base.capacity / GIB:g} GiB"
            yield "disk_gib", f"smaller than the image, which has {size}; 0: just as large"
        if pool.type not in FILE_POOLS:
            yield "pool", f"a pool of type {pool.type} cannot hold a disk on top of an image"
    if spec.disk_gib * GIB > pool.capacity:
        yield "disk_gib", f"pool {spec.pool} has {pool.capacity / GIB:.1f} GiB in all"
    name = _volume_name(spec, needs)
    taken = any((v.pool, v.name) == (spec.pool, name) for v in needs.volumes)
    if taken and (spec.disk_gib or image):
        left = "perhaps left by a VM that was deleted without it; take another name or delete it"
        yield "name", f"its disk {name} is in pool {spec.pool} already, {left}"


def _no_disk_in(pool: Pool) -> str:
    """Say why virt-install and libvirt make no disk in a pool; empty if they do."""
    if pool.type in (*FILE_POOLS, *DEVICE_POOLS):
        return "" if pool.path.startswith("/") else "it has no folder"
    return NO_POOLS.get(pool.type, "kvmkit does not know how")


def _closed(spec: VMSpec, needs: Needs, user: str, groups: Collection[str]) -> Iterator[tuple[str, str]]:
    """Find what QEMU cannot reach: libvirt would find out only at the start."""
    paths = {name: getattr(spec, name) for name in ("kernel", "initrd")}
    for name in ("image", "cdrom"):
        for volume in needs.find(getattr(spec, name), spec.pool)[:1]:
            paths[name] = volume.path
    if spec.pool in needs.pools and (spec.disk_gib or spec.image):
        paths["pool"] = f"{needs.pools[spec.pool].path}/{spec.name}"
    for name, path in paths.items():
        folder = needs.closed_to(path, user, groups) if path and user else ""
        if folder:
            yield name, f"QEMU runs as {user}, who may not enter {folder}, but may /var/lib/libvirt/images"


def _title(spec: VMSpec) -> str:
    return f"create VM {spec.name}"


def _volume_name(spec: VMSpec, needs: Needs) -> str:
    return f"{spec.name}.qcow2" if needs.pools[spec.pool].type in FILE_POOLS else spec.name


def _disk(spec: VMSpec, needs: Needs) -> Disk | None:
    base = needs.find(spec.image, spec.pool)[0] if spec.image else None
    if not (spec.disk_gib or base):
        return None
    pool, name = needs.pools[spec.pool], _volume_name(spec, needs)
    capacity = spec.disk_gib * GIB or (base.capacity if base else 0)
    backing = (base.path, base.format) if base else ("", "")
    form = "qcow2" if pool.type in FILE_POOLS else "device"
    return Disk(spec.pool, name, f"{pool.path}/{name}", capacity, form, *backing)


def vm_steps(spec: VMSpec, decided: Decided) -> tuple[list[Step], list[Step]]:
    """Give the steps that make the VM, and those after which it runs."""
    described, needs, disk = decided.described, decided.needs, decided.disk
    link = "no network"
    if spec.bridge or spec.network:
        link = f"bridge {spec.bridge}" if spec.bridge else f"network {spec.network}"
    title = f"define VM {spec.name}: {spec.memory_mib} MiB, {spec.vcpus} vCPU, {link}"
    vm = {"name": spec.name, "uuid": described.generated[0]}
    args: dict[str, Any] = vm | {"xml": described.xml, "disks": [disk.path] if disk else []}
    define = Step(action="vm-define", title=title, undo="undefine it", args=args)
    running = []
    if spec.autostart:
        title = f"have VM {spec.name} start with the host"
        running.append(Step(action="vm-autostart", title=title, undo="no longer", args=vm))
    # An earlier VM's log is overwritten, but not this plan's to remove.
    logs = [] if log_path(spec.name) in needs.files else described.logs
    args = vm | {"logs": logs}
    title = f"start VM {spec.name}"
    running.append(Step(action="vm-start", title=title, undo="stop it at once", args=args))
    return [*([create_volume(disk)] if disk else []), define], running


def _plan(uri: str, spec: VMSpec, decided: Decided) -> Plan:
    """Put the steps together: volumes, then the definition, then the start."""
    made, running = vm_steps(spec, decided)
    described = decided.described
    return Plan(
        uri=uri,
        title=_title(spec),
        steps=(*made, *running),
        notes=tuple(vm_notes(spec, decided)),
        shown={"The command it stands for": described.command, "The XML that is defined": described.xml},
        generated=described.generated,
    )


def vm_notes(spec: VMSpec, decided: Decided) -> Iterator[str]:
    """Say what the reader of a plan should know of the VM."""
    needs, disk = decided.needs, decided.disk
    pool = needs.pools[spec.pool]
    yield f"runs as {decided.kind}"
    if disk and disk.capacity > pool.free:
        free = f"pool {spec.pool} has {pool.free / GIB:.1f} GiB free"
        yield f"the disk may grow to {disk.capacity / GIB:g} GiB, {free}"
    if spec.vcpus > needs.cpus:
        yield f"{spec.vcpus} vCPUs will share the host's {needs.cpus} processors"
    if log_path(spec.name) in needs.files:
        yield f"overwrites {log_path(spec.name)}, the console log of an earlier VM"
    if spec.cdrom:
        yield "boots its disk, and as long as that is empty, the CD"
    elif not (spec.image or spec.kernel):
        yield f"nothing to boot from yet: kk.insert_media(host, {spec.name!r}, ISO) and kk.reboot"
    if spec.graphics != "none" and spec.vnc_listen not in ("127.0.0.1", "::1"):
        yield f"whoever can reach {spec.vnc_listen} sees and uses its screen without a password"


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - 20} more" if len(listed) > 20 else ""
    return (", ".join(listed[:20]) or "none") + more
