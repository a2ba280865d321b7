"""Who manages which link: parsed from what the probe printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from kvmkit.bridge.facts import Claim, Link

__all__ = ["read_claims"]

Sections = dict[str, list[str]]

CLIENTS = ("dhclient", "dhcpcd", "udhcpc")
NETPLAN = re.compile(r"/netplan-|/10-netplan-")
"""What netplan calls the files that it writes for a renderer (netplan's src/nm.c and src/networkd.c)."""


def read_claims(sections: Sections, links: Sequence[Link]) -> Iterator[Claim]:
    """Tell who says of each link that it is theirs."""
    running = {line.split()[0] for line in sections.get("daemons", [])}
    for link in links:
        if link.type != "ether":
            continue
        claims = [*_network_manager(sections, link), *_networkd(sections, link), *_ifupdown(sections, link)]
        yield from claims
        yield from _others(sections, link, running, {claim.owner for claim in claims})


def _blocks(lines: Iterable[str], first: str) -> Iterator[dict[str, str]]:
    """Cut nmcli's lines, NAME:VALUE, into one mapping for each device or profile."""
    block: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name == first and block:
            yield block
            block = {}
        block[name] = value
    if block:
        yield block


def _network_manager(sections: Sections, link: Link) -> Iterator[Claim]:
    devices = {
        block["GENERAL.DEVICE"]: block for block in _blocks(sections.get("nm devices", []), "GENERAL.DEVICE")
    }
    device = devices.get(link.name, {})
    uuid = device.get("GENERAL.CON-UUID", "")
    # With nothing to say about a link it is still NetworkManager's, unless it was told to leave it alone.
    if device.get("GENERAL.NM-MANAGED") != "yes":
        return
    profiles = {
        block.get("connection.uuid"): block
        for block in _blocks(sections.get("nm profiles", []), "connection.id")
    }
    paths = dict(line.split(":", 1) for line in sections.get("nm files", []))
    path = paths.get(uuid, "")
    settings = {**device, **profiles.get(uuid, {})}
    if NETPLAN.search(path):
        yield Claim(
            "netplan", link.name, {**settings, "renderer": "NetworkManager"}, _netplan_files(sections)
        )
    else:
        yield Claim("NetworkManager", link.name, settings, (path,) if path else ())


def _networkd(sections: Sections, link: Link) -> Iterator[Claim]:
    lines = sections.get(f"networkd {link.index}", [])
    settings = {name: value.strip().strip('"') for name, _, value in (line.partition("=") for line in lines)}
    if settings.get("ADMIN_STATE", "unmanaged") in ("unmanaged", "linger"):
        return
    file = settings.get("NETWORK_FILE", "")
    if NETPLAN.search(file):
        yield Claim("netplan", link.name, {**settings, "renderer": "networkd"}, _netplan_files(sections))
    elif file:
        files = (file, *settings.get("NETWORK_FILE_DROPINS", "").split())
        yield Claim("systemd-networkd", link.name, settings, files)


def _netplan_files(sections: Sections) -> tuple[str, ...]:
    return tuple(path for path in _files(sections) if "/netplan/" in path)


def _files(sections: Sections) -> list[str]:
    return [name.removeprefix("file ") for name in sections if name.startswith("file ")]


def _ifupdown(sections: Sections, link: Link) -> Iterator[Claim]:
    words = [line.split() for line in sections.get("ifupdown", [])]
    # "state eth0=eth0", the second being the name of the stanza; "auto eth0".
    state = next(
        (w[1].partition("=")[2] for w in words if w[0] == "state" and w[1].startswith(f"{link.name}=")), ""
    )
    start = next((kind for kind in ("auto", "hotplug") if [kind, link.name] in words), "")
    if not state and not start:
        return
    settings: dict[str, str] = {"start": start, "state": state}
    if ["bridges", "bridge-utils"] in words:
        settings["bridges"] = "bridge-utils"
    for line in sections.get(f"ifquery {state or link.name}", []):
        name, _, value = line.partition(": ")
        settings[name] = f"{settings[name]}\n{value}" if name in settings else value
    files = tuple(path for path in _files(sections) if path.startswith("/etc/network/"))
    yield Claim("ifupdown", link.name, settings, files)


def _others(sections: Sections, link: Link, running: set[str], owners: set[str]) -> Iterator[Claim]:
    """Find those that kvmkit knows, and leaves alone; a DHCP client may also be another owner's own."""
    clients = () if owners & {"ifupdown", "NetworkManager"} else CLIENTS
    for line in sections.get("daemons", []):
        comm, *args = line.split()
        # dhcpcd without a name takes every link.
        if comm in clients and (link.name in args or (comm == "dhcpcd" and not owners)):
            yield Claim(comm, link.name)
    ifcfg = [path for path in _files(sections) if path.endswith(f"/ifcfg-{link.name}")]
    if ifcfg and "wickedd" in running:
        yield Claim("wicked", link.name, files=tuple(ifcfg))
    elif ifcfg and "network-scripts" in sections and not owners:
        yield Claim("network-scripts", link.name, files=tuple(ifcfg))
    if "connmand" in running and not owners:
        yield Claim("connman", link.name)
