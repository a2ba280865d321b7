"""A network before and after, drawn: as text for a terminal, as SVG for a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from kvmkit.bridge.facts import Network
from kvmkit.drawing import GREEN, LINE, PLAIN, Picture, Shapes, box, drawn, line, text
from kvmkit.safe import one_line

__all__ = ["draw"]

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


def draw(before: Network, after: Network, nic: str, bridge: str) -> Picture:
    """Draw both side by side."""
    left, right = (_boxes(network, nic, bridge) for network in (before, after))
    one, top = _panel("before", left, 10)
    other, bottom = _panel("after", right, 10 + WIDTH)
    rows = list(zip_longest(_column("before", left), _column("after", right), fillvalue=""))
    width = max(len(row) for row, _ in rows)
    told = "\n".join(f"{row:{width}}   {beside}".rstrip() for row, beside in rows)
    return Picture(drawn(2 * WIDTH, max(top, bottom), [*one, *other]), told)


def _column(title: str, boxes: list[_Box]) -> list[str]:
    lines = [title, "-" * len(title)]
    for number, found in enumerate(boxes):
        lines += [*(["  |"] if number else []), found.title, *(f"    {row}" for row in found.lines)]
    return [one_line(row) for row in lines]


def _panel(title: str, boxes: list[_Box], left: int) -> tuple[Shapes, int]:
    shapes = [text(left, 16, title, bold=True)]
    top, middle = 28, left + BOX // 2
    for number, found in enumerate(boxes):
        height = LINE * (1 + len(found.lines)) + 8
        if number:
            shapes.append(line(middle, top - GAP, middle, top))
        colour = GREEN if found.bridge else PLAIN
        shapes += box(left, top, BOX, height, colour, found.title, found.lines)
        top += height + GAP
    return shapes, top - GAP + 10
