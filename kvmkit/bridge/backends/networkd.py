"""systemd-networkd: files of higher rank than the card's own, in /run until they are confirmed.

The card's own file stays as it is: without ours it is in force again.
"""

from __future__ import annotations

import ipaddress
from pathlib import PurePosixPath

from kvmkit.bridge.backends.kernel import freed, put_back_bridge, put_back_nic
from kvmkit.bridge.backends.networkfile import Section, client_id, parse, render, with_dhcp4, without_ipv4
from kvmkit.bridge.facts import Claim, Network
from kvmkit.bridge.picture import bridged, servers_to_tell, uses_dhcp
from kvmkit.bridge.recipe import Recipe
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.errors import Unsupported

__all__ = ["bridge", "unbridge"]

TRIED, KEPT = "/run/systemd/network", "/etc/systemd/network"
PREFIX, BACK = "0-kvmkit", "0-back"
"""Files are taken in the order of their names, and the first that matches a link is the only one."""
RELOAD = ("networkctl", "reload")
CARD = ("Link", "SR-IOV")
"""Sections that are said of the card rather than of the connection."""
OF_BRIDGE = ("RequiredForOnline", "RequiredFamilyForOnline")
"""What the section [Link] says of the connection all the same."""


def bridge(network: Network, spec: BridgeSpec) -> Recipe:
    """Give the bridge what the card's file says, and have the card be its port.

    Raises
    ------
    Unsupported
        A file of the card has a name that comes before ours.
    """
    files = _files(network, spec)
    return Recipe(
        owner="systemd-networkd",
        trial_files={f"{TRIED}/{name}": text for name, text in files.items()},
        apply=(RELOAD,),
        restore=(
            RELOAD,
            *put_back_nic(network, spec.nic, spec.bridge),
            ("networkctl", "reconfigure", spec.nic),
        ),
        keep_files={f"{KEPT}/{name}": text for name, text in files.items()},
        keep=(RELOAD,),
    )


def unbridge(network: Network, bridge: str) -> Recipe:
    """Let the card's own file be in force again.

    Files of ours in /etc win over any in /run: the trial is by files of yet higher rank that
    say the same.

    Raises
    ------
    Unsupported
        The bridge is not one that kvmkit has made.
    """
    (nic,) = network.ports_of(bridge)
    alone = [Section("Match", (f"Name={nic}",)), *_sections(network, nic, bridge)]
    ignored = [Section("Match", (f"Name={bridge}",)), Section("Link", ("Unmanaged=yes",))]
    return Recipe(
        owner="systemd-networkd",
        trial_files={
            f"{TRIED}/{BACK}-{nic}.network": render(alone),
            f"{TRIED}/{BACK}-{bridge}.network": render(ignored),
        },
        # It configures the card by what it has read. By its source (252), when it is told to once more just
        # as a lease comes in, it may wait for ever for the end of an address that it never set.
        apply=(RELOAD, *freed(nic, bridge)),
        # It makes the bridge again when it reads its file.
        restore=(RELOAD, *put_back_bridge(network, nic, bridge), ("networkctl", "reconfigure", nic, bridge)),
        keep_files=dict.fromkeys(f"{KEPT}/{name}" for name in reversed(_names(nic, bridge))),
        keep=(RELOAD,),
    )


def _names(nic: str, bridge: str) -> tuple[str, str, str]:
    """Name the files; the card's comes last, as without the others it cuts the host off."""
    return f"{PREFIX}-{bridge}.netdev", f"{PREFIX}-{bridge}.network", f"{PREFIX}-{nic}.network"


def _files(network: Network, spec: BridgeSpec) -> dict[str, str]:
    mac = network.known(spec.nic).mac
    sections = _sections(network, spec.nic, spec.bridge)
    card = [section for section in sections if section.name in CARD]
    settings = [section for section in sections if section.name not in CARD]
    online = Section(
        "Link", tuple(line for section in card for line in section.lines if line.startswith(OF_BRIDGE))
    )
    delay = (f"ForwardDelaySec={spec.forward_delay}",) if spec.stp else ()
    netdev = [
        # DHCP knows the host by its MAC address.
        Section("NetDev", (f"Name={spec.bridge}", "Kind=bridge", f"MACAddress={mac}")),
        Section("Bridge", (f"STP={'yes' if spec.stp else 'no'}", *delay)),
    ]
    port = [
        Section("Match", (f"Name={spec.nic}",)),
        *(section.without(lambda name, _value: name in OF_BRIDGE) for section in card),
        Section("Network", (f"Bridge={spec.bridge}", "LinkLocalAddressing=no", "IPv6AcceptRA=no")),
    ]
    whole = [Section("Match", (f"Name={spec.bridge}",)), online, *_addressed(network, spec, settings)]
    comment = f"Written by kvmkit: {spec.nic} is in bridge {spec.bridge}. Without this file it is not."
    texts = (render(netdev, comment), render(whole, comment), render(port, comment))
    return dict(zip(_names(spec.nic, spec.bridge), texts, strict=True))


def _claim(network: Network, name: str) -> Claim:
    for claim in network.claims_on(name):
        if claim.owner == "systemd-networkd" and claim.files:
            return claim
    raise Unsupported(f"systemd-networkd has no file for {name}: networkctl status {name}")


def _sections(network: Network, nic: str, bridge: str) -> list[Section]:
    """Give what is said of the card, or of the bridge that it is in: all but which link it is said of."""
    claim = _claim(network, nic)
    found = _parsed(network, claim)
    name = PurePosixPath(claim.files[0]).name
    if name == f"{PREFIX}-{nic}.network":
        card = [section for section in found if section.name in CARD]
        return [*card, *_parsed(network, _claim(network, bridge))]
    if name < PREFIX:
        raise Unsupported(
            f"{claim.files[0]} comes before files of kvmkit's, {PREFIX}-...: give it another name"
        )
    if any(section.values("Bridge") for section in found if section.name == "Network"):
        raise Unsupported(f"{nic} was put into {bridge} by {claim.files[0]}, not by kvmkit: change that file")
    return [*found, *client_id([claim])]


def _parsed(network: Network, claim: Claim) -> list[Section]:
    text = "\n".join(network.files[path] for path in claim.files)
    return [section for section in parse(text) if section.name != "Match"]


def _addressed(network: Network, spec: BridgeSpec, settings: list[Section]) -> list[Section]:
    """Change addresses as the spec asks."""
    if spec.addressing == "dhcp" and not uses_dhcp(network, spec.nic):
        return with_dhcp4(without_ipv4(settings))
    if spec.addressing != "static":
        return settings
    own = ipaddress.IPv4Interface(spec.address)
    servers = servers_to_tell(network, spec)
    kept = [
        section.without(lambda name, _value: name == "DNS") if servers else section
        for section in without_ipv4(settings, own.network)
    ]
    routes = [route for route in bridged(network, spec).routes_on(spec.bridge) if route.family == 4]
    near = next((f"RouteMetric={route.metric}" for route in routes if not route.gateway and route.metric), "")
    metric = next((f"Metric={r.metric}" for r in routes if r.destination == "default" and r.metric), "")
    return [
        *kept,
        Section("Network", tuple(f"DNS={server}" for server in servers)),
        Section("Address", tuple(filter(None, (f"Address={spec.address}", near)))),
        Section("Route", tuple(filter(None, (f"Gateway={spec.gateway}", metric))) if spec.gateway else ()),
    ]
