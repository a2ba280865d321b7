"""links and bridges: the network of a host as DataFrames."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kvmkit.bridge.decide import unfit
from kvmkit.bridge.facts import BridgeSettings, Link, Network
from kvmkit.bridge.picture import uses_dhcp
from kvmkit.bridge.read import read_network
from kvmkit.check.network import PRIVATE
from kvmkit.host import Host
from kvmkit.tables import Table

__all__ = ["bridges", "links"]

KINDS = {"ether": "card", "loopback": "loopback"}
LINK = ["kind", "state", "master", "addresses", "dhcp", "gateway", "owner", "ssh", "mac", "mtu", "why_not"]
BRIDGE = ["ports", "addresses", "up", "stp", "forward_delay", "private", "owner", "mac"]
TYPES = dict.fromkeys(("dhcp", "ssh", "up", "stp", "private"), "bool")
TYPES |= dict.fromkeys(("mtu", "forward_delay"), "int64")
"""Of columns that are no text."""


def links(host: Host) -> pd.DataFrame:
    """List the network interfaces of a host.

    Parameters
    ----------
    host
        The host.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``name``, sorted; columns ``kind`` (card, or ip's word: bridge, bond, vlan, veth, tun …),
        ``state`` (up, down, no carrier), ``master`` (the bridge or bond it is in), ``addresses`` (with their
        prefix lengths, separated by blanks; link-local ones are left out), ``dhcp`` (has its IPv4 address
        from it), ``gateway`` (of the default routes by it), ``owner`` (who configures it), ``ssh`` (one's
        own session goes by it), ``mac``, ``mtu`` (bytes), ``why_not`` (why it cannot go into a bridge;
        empty if it can).

    Raises
    ------
    Unsupported
        The host's ``ip`` cannot write JSON.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.links(kk.connect("test:///default"))[["kind", "state", "addresses", "gateway"]]
              kind state         addresses      gateway
    name
    eth0      veth    up  192.168.0.100/24  192.168.0.1
    lo    loopback    up
    """
    network = read_network(host)
    rows = {link.name: _link(network, link) for link in network.links}
    return _frame(rows, LINK)


def _link(network: Network, link: Link) -> dict[str, Any]:
    way = network.ways.get(network.session.client) if network.session else None
    return {
        "kind": link.kind or KINDS.get(link.type, link.type),
        "state": link.state,
        "master": link.master,
        "addresses": " ".join(link.cidrs),
        "dhcp": uses_dhcp(network, link.name),
        "gateway": " ".join(network.gateways_on(link.name)),
        "owner": " ".join(claim.owner for claim in network.claims_on(link.name)),
        "ssh": way is not None and way.dev == link.name,
        "mac": link.mac,
        "mtu": link.mtu,
        "why_not": unfit(network, link.name),
    }


def bridges(host: Host) -> pd.DataFrame:
    """List the bridges of a host.

    Parameters
    ----------
    host
        The host.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``name``, sorted; columns ``ports`` (what is in it, separated by blanks), ``addresses``
        (as in :func:`links`), ``up`` (also without carrier, that is, without a port that has one), ``stp``,
        ``forward_delay`` (seconds), ``private`` (made by libvirt, Docker or the like for a network inside
        the host), ``owner`` (who configures it), ``mac``.

    Raises
    ------
    Unsupported
        The host's ``ip`` cannot write JSON.

    Examples
    --------
    >>> import kvmkit as kk
    >>> len(kk.bridges(kk.connect("test:///default")))
    0
    """
    network = read_network(host)
    rows = {link.name: _bridge(network, link, link.bridge) for link in network.links if link.bridge}
    return _frame(rows, BRIDGE)


def _bridge(network: Network, link: Link, settings: BridgeSettings) -> dict[str, Any]:
    return {
        "ports": " ".join(network.ports_of(link.name)),
        "addresses": " ".join(link.cidrs),
        "up": link.up,
        "stp": settings.stp,
        "forward_delay": settings.forward_delay,
        "private": link.name.startswith(PRIVATE),
        "owner": " ".join(claim.owner for claim in network.claims_on(link.name)),
        "mac": link.mac,
    }


def _frame(rows: dict[str, dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    index = pd.Index(sorted(rows), name="name", dtype="str")
    frame = Table([rows[name] for name in index], index=index, columns=columns)
    return frame.astype({name: TYPES.get(name, "str") for name in columns})
