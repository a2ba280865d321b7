"""Who manages which link: parsed from what the probe printed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from kvmkit.bridge.facts import Claim, Link
from kvmkit.bridge.sealed import is_secret

__all__ = ["UNREADABLE", "Sections", "file_paths", "read_claims", "read_profiles"]

Sections: TypeAlias = defaultdict[str, list[str]]
"""What the probe printed: name to lines, none where it had nothing to print."""

UNREADABLE = "unreadable"
"""In place of a profile that has a value of several lines; among a claim's settings, its UUID."""
CLIENTS = ("dhclient", "dhcpcd", "udhcpc")
NETPLAN = re.compile(r"/netplan-|/10-netplan-")
"""What netplan calls the files that it writes for a renderer (netplan's src/nm.c and src/networkd.c)."""


def file_paths(sections: Iterable[str]) -> list[str]:
    """Name the files that the probe printed."""
    return [name.removeprefix("file ") for name in sections if name.startswith("file ")]


def read_claims(sections: Sections, links: Sequence[Link]) -> Iterator[Claim]:
    """Tell who says of each link that it is theirs."""
    running = {line.split()[0] for line in sections["daemons"]}
    for link in links:
        if link.type != "ether":
            continue
        claims = [*_network_manager(sections, link), *_networkd(sections, link), *_ifupdown(sections, link)]
        yield from claims
        yield from _others(sections, link, running, {claim.owner for claim in claims})


def _blocks(lines: Iterable[str], first: str) -> list[dict[str, str]]:
    """Cut nmcli's lines, NAME:VALUE, into one mapping for each device."""
    blocks: list[dict[str, str]] = [{}]
    for line in lines:
        name, _, value = line.partition(":")
        if name == first:
            blocks.append({})
        blocks[-1][name] = value
    return blocks


def read_profiles(sections: Sections) -> list[dict[str, str]]:
    """Give NetworkManager's active profiles by nmcli's names; those that cannot be read are empty."""
    uuids = [name.removeprefix("nm profile ") for name in sections if name.startswith("nm profile ")]
    return [_profile(sections, uuid) for uuid in uuids]


def _profile(sections: Sections, uuid: str) -> dict[str, str]:
    lines = sections[f"nm profile {uuid}"]
    if lines == [UNREADABLE]:
        return {UNREADABLE: uuid}
    return {name: value for name, _, value in (line.partition(":") for line in lines)}


def _network_manager(sections: Sections, link: Link) -> Iterator[Claim]:
    devices = _blocks(sections["nm devices"], "GENERAL.DEVICE")
    device = next((block for block in devices if block.get("GENERAL.DEVICE") == link.name), {})
    # With nothing to say about a link it is still NetworkManager's, unless it was told to leave it alone.
    if device.get("GENERAL.NM-MANAGED") != "yes":
        return
    uuid = device.get("GENERAL.CON-UUID", "")
    settings = device | _profile(sections, uuid)
    path = next((line[len(uuid) + 1 :] for line in sections["nm files"] if line.startswith(f"{uuid}:")), "")
    if NETPLAN.search(path):
        settings["renderer"] = "NetworkManager"
        yield Claim("netplan", link.name, settings, _netplan_files(sections))
    else:
        yield Claim("NetworkManager", link.name, settings, (path,) if path else ())


def _networkd(sections: Sections, link: Link) -> Iterator[Claim]:
    lines = sections[f"networkd {link.index}"]
    settings = {name: value.strip().strip('"') for name, _, value in (line.partition("=") for line in lines)}
    if settings.get("ADMIN_STATE", "unmanaged") in ("unmanaged", "linger"):
        return
    file = settings.get("NETWORK_FILE", "")
    if NETPLAN.search(file):
        settings["renderer"] = "networkd"
        yield Claim("netplan", link.name, settings, _netplan_files(sections))
    elif file:
        files = (file, *settings.get("NETWORK_FILE_DROPINS", "").split())
        yield Claim("systemd-networkd", link.name, settings, files)


def _netplan_files(sections: Sections) -> tuple[str, ...]:
    return tuple(path for path in file_paths(sections) if "/netplan/" in path)


def _ifupdown(sections: Sections, link: Link) -> Iterator[Claim]:
    words = [line.split() for line in sections["ifupdown"]]
    # "state eth0=eth0", the second being the name of the stanza; "auto eth0".
    states = {name: state for name, _, state in (w[1].partition("=") for w in words if w[0] == "state")}
    state = states.get(link.name, "")
    start = next((kind for kind in ("auto", "hotplug") if [kind, link.name] in words), "")
    if not state and not start:
        return
    version = " ".join(next((w[1:] for w in words if w[0] == "version"), []))
    settings: dict[str, str] = {"start": start, "state": state, "version": version}
    if ["bridges", "bridge-utils"] in words:
        settings["bridges"] = "bridge-utils"
    for line in sections[f"ifquery {state or link.name}"]:
        name, _, value = line.partition(": ")
        if is_secret(name):
            continue
        settings[name] = f"{settings[name]}\n{value}" if name in settings else value
    files = tuple(path for path in file_paths(sections) if path.startswith("/etc/network/"))
    yield Claim("ifupdown", link.name, settings, files)


def _others(sections: Sections, link: Link, running: set[str], owners: set[str]) -> Iterator[Claim]:
    """Find those that kvmkit knows, and leaves alone; a DHCP client may also be another owner's own."""
    clients = () if owners & {"ifupdown", "NetworkManager"} else CLIENTS
    for line in sections["daemons"]:
        comm, *args = line.split()
        # dhcpcd without a name takes every link.
        if comm in clients and (link.name in args or (comm == "dhcpcd" and not owners)):
            yield Claim(comm, link.name)
    ifcfg = [path for path in file_paths(sections) if path.endswith(f"/ifcfg-{link.name}")]
    if ifcfg and "wickedd" in running:
        yield Claim("wicked", link.name, files=tuple(ifcfg))
    elif ifcfg and "network-scripts" in sections and not owners:
        yield Claim("network-scripts", link.name, files=tuple(ifcfg))
    if "connmand" in running and not owners:
        yield Claim("connman", link.name)
