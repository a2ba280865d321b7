"""What is on a host: VMs, pools, volumes and networks, as DataFrames."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from math import nan
from typing import Any

import libvirt
import pandas as pd

from kvmkit.errors import NotFound, Stuck
from kvmkit.host import Host
from kvmkit.tables import Table
from kvmkit.vm.kept import KeptPool, read_kept
from kvmkit.vm.xml import parse

__all__ = ["domain", "frame", "networks", "pools", "vms", "volumes"]

STATES = {
    libvirt.VIR_DOMAIN_NOSTATE: "no state",
    libvirt.VIR_DOMAIN_RUNNING: "running",
    libvirt.VIR_DOMAIN_BLOCKED: "running",
    libvirt.VIR_DOMAIN_PAUSED: "suspended",
    libvirt.VIR_DOMAIN_SHUTDOWN: "shutting down",
    libvirt.VIR_DOMAIN_SHUTOFF: "shut off",
    libvirt.VIR_DOMAIN_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_PMSUSPENDED: "asleep",
}
"""virDomainState in words; "suspended" is what :func:`kvmkit.suspend` makes."""

SIZES = libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_BALLOON


def vms(host: Host) -> pd.DataFrame:
    """List the VMs of a host.

    Parameters
    ----------
    host
        The host.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``name``, sorted; columns ``state`` (running, suspended, shut off,
        shutting down, crashed, asleep), ``vcpus``, ``memory_mib`` (what the guest has
        now), ``autostart`` (starts with the host), ``persistent`` (stays when it ends).

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.vms(kk.connect("test:///default"))
            state  vcpus  memory_mib  autostart  persistent
    name
    demo  running      1        1024      False        True
    """
    with host.reading("list the VMs") as connection:
        # One call for all that are off. Those that run are asked one by one, as the same call would have
        # each QEMU tell more than is wanted here, and wait for ever for one that is stuck.
        asked = connection.listAllDomains(0 if host.practice else libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        found = {}
        if not host.practice:  # the test driver's bulk statistics know the state alone
            flag = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE
            found = {
                domain.name(): _off(stats) for domain, stats in connection.getAllDomainStats(SIZES, flag)
            }
            # Again, for those that were started just now.
            asked += connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        found |= {name: info for name, dom in _named(asked).items() if (info := _info(dom))}
        autostart = _named(connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART))
        # A transient VM is gone when it is off.
        flag = libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT
        transient = _named(connection.listAllDomains(flag)) if asked else {}
    names = sorted(found)
    columns = {
        "state": pd.array([STATES[found[name][0]] for name in names], dtype="str"),
        "vcpus": pd.array([found[name][1] for name in names], dtype="int64"),
        "memory_mib": pd.array([found[name][2] // 1024 for name in names], dtype="int64"),
        "autostart": pd.array([name in autostart for name in names], dtype="bool"),
        "persistent": pd.array([name not in transient for name in names], dtype="bool"),
    }
    return Table(columns, index=pd.Index(names, name="name", dtype="str"))


def _named(domains: Iterable[libvirt.virDomain]) -> dict[str, libvirt.virDomain]:
    return {domain.name(): domain for domain in domains}


def _off(stats: Mapping[str, int]) -> tuple[int, int, int]:
    memory_kib = stats.get("balloon.current", stats.get("balloon.maximum", 0))
    return libvirt.VIR_DOMAIN_SHUTOFF, stats.get("vcpu.current", 0), memory_kib


def _info(dom: libvirt.virDomain) -> tuple[int, int, int] | None:
    """Give its state, vCPUs and memory in KiB; None if it was transient, and has ended just now."""
    try:
        state, _maximum, memory_kib, vcpus, _time = dom.info()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
        return None
    return state, vcpus, memory_kib


def pools(host: Host) -> pd.DataFrame:
    """List the storage pools of a host.

    Parameters
    ----------
    host
        The host.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``name``, sorted; columns ``active``, ``type`` (dir, logical, …), ``path``
        (where its volumes are), ``capacity_gib``, ``free_gib`` (0 while inactive; not a number:
        the pool does not answer), ``autostart``.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.pools(host)[["active", "type", "path"]]
             active type                     path
    name
    default    True  dir  /var/lib/libvirt/images
    """
    try:
        with host.reading("list the storage pools") as connection:
            rows = [_pool(pool) for pool in connection.listAllStoragePools()]
    except Stuck:  # libvirt waits for one of them, and lists none
        kept = read_kept(host)
        if not kept:
            raise
        rows = [_pool_or_kept(host, pool) for pool in kept]
    sizes = {"capacity_gib": "float64", "free_gib": "float64"}
    return _by_name(rows, {"active": "bool", "type": "str", "path": "str", **sizes, "autostart": "bool"})


def _pool(pool: libvirt.virStoragePool) -> tuple[Any, ...]:
    active = bool(pool.isActive())
    _state, capacity, _allocation, free = pool.info()
    xml = parse(pool.XMLDesc())
    gib = (round(capacity / 2**30, 1), round(free / 2**30, 1)) if active else (0.0, 0.0)
    path = xml.findtext("target/path", "")
    return pool.name(), active, xml.get("type"), path, *gib, bool(pool.autostart())


def _pool_or_kept(host: Host, kept: KeptPool) -> tuple[Any, ...]:
    try:
        with host.reading(f"look at pool {kept.name}") as connection:
            return _pool(connection.storagePoolLookupByName(kept.name))
    except Stuck:
        return kept.name, kept.active, kept.type, kept.path, nan, nan, kept.autostart


def volumes(host: Host, pool: str = "") -> pd.DataFrame:
    """List the volumes of the active storage pools.

    Parameters
    ----------
    host
        The host.
    pool
        Of this pool alone; ``""``: of all.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``name``, sorted; columns ``pool``, ``format`` (qcow2, raw, iso, …),
        ``capacity_gib``, ``allocation_gib`` (what it takes on the host), ``path``, ``backing``
        (the image it lies on top of; else empty).

    Raises
    ------
    NotFound
        No such active pool.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.volumes(host)[["pool", "format", "capacity_gib"]]
                              pool format  capacity_gib
    name
    debian-12-netinst.iso  default    iso          0.62
    ...
    """
    with host.reading("list the volumes") as connection:
        asked = [_active_pool(host, connection, pool)] if pool else _active_pools(connection)
        rows = [_volume(p.name(), v) for p in asked for v in p.listAllVolumes()]
    columns = {"pool": "str", "format": "str", "capacity_gib": "float64", "allocation_gib": "float64"}
    return _by_name(rows, columns | {"path": "str", "backing": "str"})


def _active_pools(connection: libvirt.virConnect) -> list[libvirt.virStoragePool]:
    found: list[libvirt.virStoragePool] = connection.listAllStoragePools(
        libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE
    )
    return found


def _active_pool(host: Host, connection: libvirt.virConnect, name: str) -> libvirt.virStoragePool:
    # By its name, so that another one that hangs is not waited for.
    with contextlib.suppress(libvirt.libvirtError, ValueError):  # ValueError: a character that no name has
        found = connection.storagePoolLookupByName(name)
        if found.isActive():
            return found
    names = sorted(pool.name() for pool in _active_pools(connection))
    raise NotFound(f"no active pool {name!r} on {host.uri}; active are: {', '.join(names) or 'none'}")


def _volume(pool: str, volume: libvirt.virStorageVol) -> tuple[Any, ...]:
    xml = parse(volume.XMLDesc())
    form = xml.xpath("string(target/format/@type)")
    sizes = (round(int(xml.findtext(tag) or 0) / 2**30, 2) for tag in ("capacity", "allocation"))
    return volume.name(), pool, form, *sizes, volume.path(), xml.findtext("backingStore/path", "")


def networks(host: Host) -> pd.DataFrame:
    """List libvirt's networks.

    Parameters
    ----------
    host
        The host.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``name``, sorted; columns ``active``, ``forward`` (nat, route, bridge, …;
        empty: isolated), ``bridge`` (the host's interface), ``autostart``.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.networks(host)
             active forward  bridge  autostart
    name
    default    True     nat  virbr0      False
    """
    with host.reading("list the networks") as connection:
        rows = [_network(network) for network in connection.listAllNetworks()]
    return _by_name(rows, {"active": "bool", "forward": "str", "bridge": "str", "autostart": "bool"})


def _network(network: libvirt.virNetwork) -> tuple[Any, ...]:
    xml = parse(network.XMLDesc())
    forward, bridge = xml.find("forward"), xml.xpath("string(bridge/@name)")
    mode = "" if forward is None else forward.get("mode", "nat")
    return network.name(), bool(network.isActive()), mode, bridge, bool(network.autostart())


def domain(host: Host, connection: libvirt.virConnect, name: str) -> libvirt.virDomain:
    """Find a VM by name.

    Raises
    ------
    NotFound
        Naming the VMs that the host has.
    """
    try:
        return connection.lookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
    except ValueError:  # it holds a character that libvirt cannot be asked for
        pass
    names = sorted(d.name() for d in connection.listAllDomains())
    raise NotFound(f"no VM {name[:80]!r} on {host.uri}; it has: {', '.join(names[:20]) or 'none'}")


def _by_name(rows: Iterable[tuple[Any, ...]], columns: Mapping[str, str]) -> pd.DataFrame:
    return frame(sorted(rows), {"name": "str", **columns}).set_index("name")


def frame(rows: Sequence[tuple[Any, ...]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Make a DataFrame of fixed columns, by name and dtype, also of no rows."""
    data = {
        column: pd.array([row[place] for row in rows], dtype=dtype)  # type: ignore[call-overload]
        for place, (column, dtype) in enumerate(columns.items())
    }
    return Table(data)
