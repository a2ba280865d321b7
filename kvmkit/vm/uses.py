"""Read what decides whose a file is: what VMs name, by libvirt, and what that is, by the host's own files."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

import libvirt

from kvmkit.host import Host
from kvmkit.vm.files import GONE, File, Files, read_files
from kvmkit.vm.references import Reference, Resolve, references
from kvmkit.vm.whose import Uses
from kvmkit.vm.xml import parse

__all__ = ["FILE_POOLS", "mark_away", "read_uses", "resolver"]

FILE_POOLS = ("dir", "fs", "netfs")
"""Pools of files, where a volume can be qcow2; in the others (logical, disk …) it is a raw device."""
LIBVIRT_ROUNDS = 32
"""How long a chain may be that libvirt alone may read."""

Pools = list[tuple[libvirt.virStoragePool, Any]]
"""Each pool with its parsed XML."""


def read_uses(host: Host, connection: libvirt.virConnect, paths: Collection[str], *, but: str = "") -> Uses:
    """Read who, but the VM `but`, names which files, and what these and `paths` are.

    libvirt is asked for definitions, and the host once for all files.
    """
    pools = _pools(connection)
    named = list(_named(connection, pools, but))
    wanted = {*paths, *(reference.path for reference in named)} - {""}
    if host.practice:
        return Uses(tuple(named), _practice_files(connection, wanted))
    origins = dict(_devices(pools))
    wanted |= {path for pair in origins.items() for path in pair if path}
    folders = sorted({_folder(xml) for _, xml in pools} - {""})
    files = _by_libvirt(host, connection, read_files(host, sorted(wanted), folders), pools)
    named += [Reference(f"loop device {device}", path) for device, path in files.loops.items()]
    return Uses(tuple(named), mark_away(_with_origins(files, origins), _away(pools)))


def resolver(connection: libvirt.virConnect, pools: Pools | None = None) -> Resolve:
    """Give what tells the path of a volume; empty if nobody knows."""
    known = {pool.name(): (pool, xml) for pool, xml in pools or _pools(connection)}

    def path_of(pool: str, volume: str) -> str:
        if pool not in known:
            return ""
        found, xml = known[pool]
        with contextlib.suppress(libvirt.libvirtError):  # one that is not active shows no volume
            return str(found.storageVolLookupByName(volume).path())
        return f"{_folder(xml)}/{volume}" if _folder(xml) else ""

    return path_of


def _pools(connection: libvirt.virConnect) -> Pools:
    return [(pool, parse(pool.XMLDesc())) for pool in connection.listAllStoragePools()]


def _folder(xml: Any) -> str:
    return str(xml.findtext("target/path", "")) if xml.get("type") in FILE_POOLS else ""


def _named(connection: libvirt.virConnect, pools: Pools, but: str) -> Iterator[Reference]:
    """List what the VMs name: as they run, as they start next, in snapshots, and when they were saved."""
    resolve = resolver(connection, pools)
    with_snapshots = _names(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT)
    saved = _names(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
    for domain in connection.listAllDomains():
        name = domain.name()
        if name == but:
            continue
        with _unless_gone():
            for xml in _definitions(domain):
                yield from references(f"VM {name}", xml, resolve)
            for snapshot in domain.listAllSnapshots() if name in with_snapshots else ():
                yield from references(
                    f"snapshot {snapshot.getName()} of VM {name}", snapshot.getXMLDesc(), resolve
                )
            if name in saved:
                yield from _saved(domain, resolve)


@contextlib.contextmanager
def _unless_gone() -> Iterator[None]:
    """Pass over a VM that has gone meanwhile."""
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise


def _names(connection: libvirt.virConnect, flag: int) -> set[str]:
    return {domain.name() for domain in connection.listAllDomains(flag)}


def _definitions(domain: libvirt.virDomain) -> Iterator[str]:
    yield domain.XMLDesc()
    if domain.isActive() and domain.isPersistent():
        yield domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)


def _saved(domain: libvirt.virDomain, resolve: Resolve) -> Iterator[Reference]:
    user = f"saved memory of VM {domain.name()}"
    try:
        xml = domain.managedSaveGetXMLDesc()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:  # the test driver keeps none
            yield Reference(user, "", why=f"libvirt cannot read it: {error.get_error_message()}")
        return
    yield from references(user, xml, resolve)


def _devices(pools: Pools) -> Iterator[tuple[str, str]]:
    """Give the volumes that are in no folder, each with what it is a snapshot of: with that it would go."""
    for pool, xml in pools:
        if xml.get("type") not in FILE_POOLS and pool.isActive():
            for volume in pool.listAllVolumes():
                yield volume.path(), parse(volume.XMLDesc()).findtext("backingStore/path", "")


def _away(pools: Pools) -> list[str]:
    """Name the folders whose files are not there while their pool is not active, but come back with it."""
    away = {
        xml.findtext("target/path", "")
        for pool, xml in pools
        if xml.get("type") != "dir" and not pool.isActive()
    }
    return sorted(away - {""})


def mark_away(files: Files, folders: Iterable[str]) -> Files:
    """Tell files that are away from those that are gone: what is on NFS comes back when that is mounted."""
    starts = tuple(f"{folder.rstrip('/')}/" for folder in folders)
    found = {
        path: replace(file, trouble="away") if file.trouble == GONE and path.startswith(starts) else file
        for path, file in files.found.items()
    }
    return replace(files, found=found)


def _with_origins(files: Files, origins: dict[str, str]) -> Files:
    found = dict(files.found)
    for top, origin in origins.items():
        if origin and top in found:
            found[top] = replace(found[top], below=(*found[top].below, ("any", origin)))
    return replace(files, found=found, listed=(*files.listed, *(path for path in origins if path in found)))


def _by_libvirt(host: Host, connection: libvirt.virConnect, files: Files, pools: Pools) -> Files:
    """Add libvirt's word on what an account without root's rights may not read itself."""
    closed = dict(files.closed)
    listed = list(files.listed)
    for pool, xml in pools:
        if closed.get(_folder(xml)) == "denied" and pool.isActive():
            with contextlib.suppress(libvirt.libvirtError):  # it is busy
                pool.refresh()
            listed += [f"{_folder(xml)}/{volume.name()}" for volume in pool.listAllVolumes()]
            del closed[_folder(xml)]
    found = dict(files.found)
    for _ in range(LIBVIRT_ROUNDS):
        found |= {path: _told_by_libvirt(connection, path, file) for path, file in found.items()}
        named = {told for file in found.values() for kind, told in file.below if kind != "device"}
        if not (unknown := {*listed, *named} - found.keys()):
            break
        found |= read_files(host, sorted(unknown), ()).found
    return replace(files, found=found, listed=tuple(listed), closed=closed)


def _told_by_libvirt(connection: libvirt.virConnect, path: str, file: File) -> File:
    if file.trouble != "unreadable":
        return file
    try:
        xml = parse(connection.storageVolLookupByPath(path).XMLDesc())
    except libvirt.libvirtError:  # no volume
        return file
    form = xml.xpath("string(target/format/@type)")
    lies_on = xml.findtext("backingStore/path")
    kind = "raw" if xml.xpath("string(backingStore/format/@type)") == "raw" else "any"
    if form in ("vmdk", "qed") or (lies_on and not lies_on.startswith("/")):
        return file
    return replace(
        file,
        trouble="",
        format="qcow" if form in ("qcow", "qcow2") else "none",
        below=((kind, lies_on),) if lies_on else (),
    )


def _practice_files(connection: libvirt.virConnect, paths: Iterable[str]) -> Files:
    """Give the practice host's, which has no files but its volumes, and these under one name each."""
    flag = libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE
    volumes = [volume for pool in connection.listAllStoragePools(flag) for volume in pool.listAllVolumes()]
    found = dict.fromkeys(paths, File(trouble="gone"))
    for volume in volumes:
        below = parse(volume.XMLDesc()).findtext("backingStore/path")
        found[volume.path()] = File(volume.path(), format="", below=(("any", below),) if below else ())
        if below:
            found.setdefault(below, File(trouble="gone"))
    return Files(found, tuple(volume.path() for volume in volumes))
