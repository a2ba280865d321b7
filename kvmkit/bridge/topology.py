"""topology: a host's network cards, its bridges and the VMs on them, in one picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kvmkit.bridge.facts import Link, Network
from kvmkit.bridge.read import read_network
from kvmkit.drawing import GREEN, LETTER, LINE, PLAIN, Picture, Shapes, box, drawn, fitting, line, text
from kvmkit.host import Host
from kvmkit.safe import one_line
from kvmkit.vm.facts import networks, vms
from kvmkit.vm.xml import parse

__all__ = ["topology"]

FORWARD = {"": "isolated", "nat": "NAT", "route": "routed", "open": "routed, no firewall"}
ELSEWHERE = {
    "user": "QEMU's own network, NAT",
    "hostdev": "a card of its own, passed through",
    "": "without a network card",
}
"""Where a VM is that is on no bridge: libvirt's type of the interface, in words."""

HEADS = ("network cards", "bridges", "VMs")
CARD, BRIDGE, VM = (10, 170), (220, 240), (570, 210)
"""Pixels of the three columns: left edge and width."""
ROW, GAP = 42, 24
"""Pixels from one VM to the next, and between two segments."""


@dataclass(frozen=True)
class _Plug:
    """A network card of a VM; `tap` is the host's end of it while the VM runs."""

    vm: str
    state: str
    on: str
    tap: str = ""


@dataclass(frozen=True)
class _Segment:
    """What is plugged together: cards on the left, a bridge or something like it, VMs on the right."""

    name: str
    about: tuple[str, ...]
    cards: tuple[tuple[str, str], ...] = ()
    plugs: tuple[_Plug, ...] = ()
    up: bool = True
    bridge: bool = True
    """Whether it has one, or something like it; else it is a card, and its VMs are right on it."""


def topology(host: Host) -> Picture:
    """Draw how a host's network cards, bridges and VMs are plugged together.

    What is off (a VM, a libvirt network) is drawn with broken lines, and said to be off.

    Parameters
    ----------
    host
        The host. Reading it takes a round trip, libvirt's lists, and one message of libvirt's for each VM.

    Returns
    -------
    Picture
        Shows itself, in a terminal as text.

    Raises
    ------
    HostUnavailable, LibvirtFailed
        The host or its libvirt does not answer.
    Unsupported
        The host's ``ip`` cannot write JSON.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.topology(kk.connect("test:///default"))
    eth0: no bridge, 192.168.0.100/24, up
    virbr0: network default, NAT
      VM demo: running, by testnet0
    """
    network, known, states = read_network(host), networks(host), vms(host)["state"].to_dict()
    with host.reading("read what the VMs are plugged into") as connection:
        domains = sorted((domain.name(), parse(domain.XMLDesc())) for domain in connection.listAllDomains())
    plugs = [plug for name, xml in domains for plug in _plugs(name, states.get(name, "no state"), xml, known)]
    segments = _segments(network, known, plugs)
    return Picture(_svg(segments), _text(segments))


def _plugs(name: str, state: str, xml: Any, known: pd.DataFrame) -> Iterator[_Plug]:
    """Find what each card of a VM is on: a bridge, a link of the host's, a network, or a kind of its own."""
    cards = xml.findall("devices/interface")
    for card in cards:
        source, target = card.find("source"), card.find("target")
        told = {} if source is None else source.attrib
        network = told.get("network", "")
        bridge = known["bridge"].get(network, "") if network else told.get("bridge", "")
        on = bridge or told.get("dev") or (f"network {network}" if network else card.get("type"))
        # Only while it runs: a definition may name a tap, too.
        tap = "" if target is None or state == "shut off" else target.get("dev", "")
        yield _Plug(name, state, on, tap)
    if not cards:
        yield _Plug(name, state, "")


def _segments(network: Network, known: pd.DataFrame, plugs: list[_Plug]) -> list[_Segment]:
    """Put together what is plugged together: bridges with a card first, then others, then loose VMs."""
    taps = {plug.tap for plug in plugs}
    links = [link for link in network.links if link.type != "loopback" and link.name not in taps]
    bridges = {link.name: link for link in links if link.bridge}
    # A bridge of libvirt's is there only while its network is active.
    names = sorted({*bridges, *known["bridge"]} - {""})
    found = [_bridge(name, bridges.get(name), links, known, _on(plugs, name)) for name in names]
    free = [link for link in links if not (link.bridge or link.master)]
    found += [_card(link, _on(plugs, link.name)) for link in free]
    found.sort(key=lambda segment: (not segment.cards, segment.name))
    loose = {plug.on for plug in plugs} - {*names, *(link.name for link in free)}
    for on in sorted(loose):
        about = ("macvtap",) if network.link(on) else ()
        found.append(_Segment(ELSEWHERE.get(on, on), about, (), _on(plugs, on)))
    return found


def _on(plugs: list[_Plug], name: str) -> tuple[_Plug, ...]:
    return tuple(plug for plug in plugs if plug.on == name)


def _bridge(
    name: str, link: Link | None, links: list[Link], known: pd.DataFrame, plugs: tuple[_Plug, ...]
) -> _Segment:
    served = known[known["bridge"] == name]
    about = [f"network {n}, {FORWARD.get(f, f)}" for n, f in served["forward"].items()] or ["bridge"]
    inactive = not served.empty and not served["active"].any()
    return _Segment(
        name,
        (*about, *(["inactive"] if inactive else []), *(_addresses(link) if link else [])),
        tuple((port.name, port.state) for port in links if port.master == name),
        plugs,
        up=not inactive and (link is None or link.up),
    )


def _card(link: Link, plugs: tuple[_Plug, ...]) -> _Segment:
    about = ("macvtap" if plugs else "no bridge", *_addresses(link), link.state)
    return _Segment(link.name, about, ((link.name, link.state),), plugs, link.up, bridge=False)


def _addresses(link: Link) -> tuple[str, ...]:
    return link.cidrs or ("no address",)


def _text(segments: list[_Segment]) -> str:
    rows: list[str] = []
    for segment in segments:
        rows.append(f"{segment.name}: {', '.join(segment.about)}".rstrip())
        rows += [f"  card {name}: {state}" for name, state in segment.cards if segment.bridge]
        rows += [f"  VM {plug.vm}: {plug.state}{plug.tap and f', by {plug.tap}'}" for plug in segment.plugs]
    return "\n".join(map(one_line, rows))


def _svg(segments: list[_Segment]) -> str:
    shapes = [text(left, 18, title) for (left, _), title in zip((CARD, BRIDGE, VM), HEADS, strict=True)]
    top = 30
    for segment in segments:
        drawing, height = _segment(segment, top)
        shapes += drawing
        top += height + GAP
    return drawn(sum(VM) + 10, top - GAP + 10, shapes)


def _segment(segment: _Segment, top: int) -> tuple[Shapes, int]:
    """Draw one: the bridge as high as what is plugged into it, so that all cables go straight across."""
    left, width = BRIDGE if segment.bridge else CARD
    rows = [fitting(words, width - 20) for words in segment.about]
    height = max(LINE * (len(rows) + 1) + 10, ROW * len(segment.plugs) - 12, ROW * len(segment.cards) - 12)
    colour = GREEN if segment.bridge else PLAIN
    shapes = box(
        left, top, width, height, colour, fitting(segment.name, width - 20), rows, dashed=not segment.up
    )
    if segment.bridge:
        for number, (name, state) in enumerate(segment.cards):
            y, off = top + ROW * number, state == "down"
            shapes += _row(CARD, y, name, state, dashed=off)
            shapes.append(line(sum(CARD), y + 15, left, y + 15, dashed=off))
    for number, plug in enumerate(segment.plugs):
        y, off = top + ROW * number, plug.state == "shut off"
        shapes += _row(VM, y, plug.vm, plug.state, dashed=off)
        shapes.append(line(left + width, y + 15, VM[0], y + 15, dashed=off))
        shapes.append(text(VM[0] - 8, y + 10, plug.tap, anchor="end"))
    return shapes, height


def _row(column: tuple[int, int], y: int, name: str, state: str, *, dashed: bool) -> Shapes:
    """Draw a box of one line: the name, and at its end the state."""
    left, width = column
    title = fitting(name, width - 30 - int(LETTER * len(state)))
    end = text(left + width - 10, y + LINE, state, anchor="end")
    return [*box(left, y, width, 30, PLAIN, title, [], dashed=dashed), end]
