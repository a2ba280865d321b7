"""A network before and after, drawn: as text for a terminal, as SVG for a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from kvmkit.bridge.facts import Network
from kvmkit.drawing import GREEN, LINE, PLAIN, Shapes, box, drawn, line, text

__all__ = ["as_svg", "as_text"]

WIDTH, BOX, GAP = 360, 330, 22
"""Pixels: of a panel, of a box in it, between boxes."""


@dataclass(frozen=True)
class _Box:
    title: str
    lines: tuple[str, ...] = ()
    bridge: bool = False


def _boxes(network: Network, nic: str, bridge: str) -> list[_Box]:
    """Chain what a packet passes, from the cable to VMs."""
    gateways = dict.fromkeys((*network.gateways_on(nic), *network.gateways_on(bridge)))
    boxes = [_Box("network", tuple(f"gateway {gateway}" for gateway in gateways))]
    for link in filter(None, map(network.link, (nic, bridge))):
        addresses = link.cidrs or ("no address",)
        if link.master:
            addresses = (f"in {link.master}, without an address",)
        boxes.append(_Box(link.name, (*addresses, link.mac), bridge=link.bridge is not None))
    return [*boxes, _Box("VMs")] if network.link(bridge) else boxes


def as_text(before: Network, after: Network, nic: str, bridge: str) -> str:
    """Draw both side by side, the routes below."""
    left, right = (_text(network, nic, bridge) for network in (before, after))
    width = max(len(row) for row in ["before", *left])
    rows = zip_longest(["before", "------", *left], ["after", "-----", *right], fillvalue="")
    return "\n".join(f"{one:{width}}   {other}".rstrip() for one, other in rows)


def _text(network: Network, nic: str, bridge: str) -> list[str]:
    lines: list[str] = []
    for found in _boxes(network, nic, bridge):
        lines += [*(["  |"] if lines else []), found.title, *(f"    {row}" for row in found.lines)]
    return lines


def as_svg(before: Network, after: Network, nic: str, bridge: str) -> str:
    """Draw both side by side."""
    left, one = _panel(before, "before", nic, bridge, 10)
    right, other = _panel(after, "after", nic, bridge, 10 + WIDTH)
    return drawn(2 * WIDTH, max(one, other), [*left, *right])


def _panel(network: Network, title: str, nic: str, bridge: str, left: int) -> tuple[Shapes, int]:
    shapes = [text(left, 16, title, bold=True)]
    top, middle = 28, left + BOX // 2
    for number, found in enumerate(_boxes(network, nic, bridge)):
        height = LINE * (1 + len(found.lines)) + 8
        if number:
            shapes.append(line(middle, top - GAP, middle, top))
        colour = GREEN if found.bridge else PLAIN
        shapes += box(left, top, BOX, height, colour, found.title, found.lines)
        top += height + GAP
    return shapes, top - GAP + 10
