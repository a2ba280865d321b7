"""The addresses of a VM, from whoever knows them."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter

import libvirt
import pandas as pd

from kvmkit.host import Host
from kvmkit.vm.facts import domain, frame
from kvmkit.vm.xml import parse

__all__ = ["addresses"]

Row = tuple[str, str, str, int | None]
COLUMNS = {"mac": "str", "address": "str", "source": "str", "age": "Int64"}

LEASE_SECONDS = 3600
"""For how long dnsmasq gives leases unless it is told otherwise (dnsmasq(8), --dhcp-range)."""
UNITS = {"seconds": 1, "minutes": 60, "hours": 3600}
"""Of a network's <lease expiry='…' unit='…'/> (https://libvirt.org/formatnetwork.html)."""


def addresses(host: Host, name: str) -> pd.DataFrame:
    """List the IP addresses of a running VM, and how each is known.

    The first source that knows a NIC, by its MAC address, counts for it: libvirt's DHCP server, then the
    agent in the guest, then the host's neighbour table, which holds who has talked to the host itself.

    Parameters
    ----------
    host
        The host.
    name
        The VM.

    Returns
    -------
    pandas.DataFrame
        RangeIndex; columns ``mac``, ``address`` (with its prefix length where the source knows it),
        ``source`` (``lease``: of several the newest that has not expired; ``agent``; ``arp``), ``age``:
        seconds since the lease was given or renewed, the agent said so, or the guest answered the host.
        Loopback and link-local are left out; a VM that is off has none. The practice host makes one up,
        of no age.

    Raises
    ------
    NotFound
        No such VM.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.addresses(kk.connect("test:///default"), "demo")
                     mac           address source   age
    0  52:54:00:00:7a:02  192.168.122.3/24  lease  <NA>
    """
    rows: list[Row] = []
    with host.reading(f"read the addresses of {name}") as connection:
        dom = domain(host, connection, name)
        nics = parse(dom.XMLDesc()).findall("devices/interface") if dom.isActive() else []
        # MAC address to libvirt's network; "" where the NIC is on something else.
        unknown = {nic.find("mac").get("address"): nic.xpath("string(source/@network)") for nic in nics}
        for source in [_made_up] if host.practice else [_leases, _agent, _neighbours]:
            found = source(host, dom, unknown) if unknown else ()
            rows += sorted((r for r in found if r[0] in unknown and _is_of_use(r[1])), key=itemgetter(0, 1))
            known = {row[0] for row in rows}
            unknown = {mac: network for mac, network in unknown.items() if mac not in known}
    return frame(rows, COLUMNS)


def _leases(_host: Host, dom: libvirt.virDomain, nics: Mapping[str, str]) -> Iterator[Row]:
    for mac, name in nics.items():
        try:
            network = dom.connect().networkLookupByName(name)
            leases = network.DHCPLeases(mac)  # those that have expired are left out (bridge_driver.c)
        except libvirt.libvirtError:  # not on a network of libvirt's, or on one without a DHCP server
            continue
        # A guest that changed its client id, as an installed system differs from its installer, has several.
        leases = sorted(leases, key=lambda lease: lease["expirytime"] or float("inf"))
        newest = {lease["type"]: lease for lease in leases}
        for lease in newest.values():
            yield mac, f"{lease['ipaddr']}/{lease['prefix']}", "lease", _age(lease, network.XMLDesc())


def _age(lease: Mapping[str, int], network: str) -> int | None:
    """Tell how old a lease is; None: it is for ever."""
    length = LEASE_SECONDS
    for asked in parse(network).iterfind("ip/dhcp/range/lease"):
        length = int(asked.get("expiry")) * UNITS[asked.get("unit", "minutes")]
    age = time.time() + length - lease["expirytime"]
    return max(0, round(age)) if lease["expirytime"] else None


def _agent(_host: Host, dom: libvirt.virDomain, _nics: Mapping[str, str]) -> Iterable[Row]:
    return _told(dom, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT, "agent", 0)


def _made_up(_host: Host, dom: libvirt.virDomain, _nics: Mapping[str, str]) -> Iterable[Row]:
    # The test driver has no leases to list, but this.
    return _told(dom, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, "lease", None)


def _told(dom: libvirt.virDomain, source: int, label: str, age: int | None) -> Iterator[Row]:
    try:
        found = dom.interfaceAddresses(source)
    except libvirt.libvirtError:  # no agent in the guest
        return
    for nic in found.values():
        for known in nic["addrs"] or []:
            yield str(nic["hwaddr"]), f"{known['addr']}/{known['prefix']}", label, age


def _neighbours(host: Host, _dom: libvirt.virDomain, _nics: Mapping[str, str]) -> Iterator[Row]:
    # Not libvirt's own ARP source: it does not tell how old an entry is.
    listed = host.run(["ip", "-json", "-statistics", "neighbour", "show"], ok=False).stdout
    for entry in json.loads(listed or "[]"):
        if "lladdr" in entry and "FAILED" not in entry["state"]:
            yield entry["lladdr"], entry["dst"], "arp", entry["confirmed"]


def _is_of_use(address: str) -> bool:
    try:
        ip = ipaddress.ip_interface(address.replace("%", "/zone")).ip  # Python takes any text for a zone
    except ValueError:  # an agent says what whoever has root in the guest likes
        return False
    return not (ip.is_loopback or ip.is_link_local)
