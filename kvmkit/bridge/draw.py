"""A network before and after, drawn: as text for a terminal, as SVG for a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from lxml import etree
from lxml.builder import E

from kvmkit.bridge.facts import Network

__all__ = ["as_svg", "as_text"]

WIDTH, BOX, LINE, GAP = 360, 330, 18, 22
"""Pixels: of a panel, of a box in it, of a line of text, between boxes."""
ACCENT = "#009E73"
"""Okabe and Ito's green, as in reports; all else is drawn in the page's own colour, light or dark."""


@dataclass(frozen=True)
class _Box:
    title: str
    lines: tuple[str, ...] = ()
    bridge: bool = False


def _boxes(network: Network, nic: str, bridge: str) -> list[_Box]:
    """Chain what a packet passes, from the cable to VMs."""
    routes = [route for route in network.routes if route.dev in (nic, bridge)]
    gateways = [
        f"gateway {route.gateway}" for route in routes if route.destination == "default" and route.gateway
    ]
    boxes = [_Box("network", tuple(dict.fromkeys(gateways)))]
    for name in (nic, bridge):
        link = network.link(name)
        if link is None:
            continue
        addresses = [address.cidr for address in link.global_addresses]
        if link.master:
            addresses = [f"in {link.master}, without an address"]
        boxes.append(_Box(name, (*(addresses or ["no address"]), link.mac), bridge=link.bridge is not None))
    vms = network.link(bridge) is not None
    return [*boxes, _Box("VMs")] if vms else boxes


def as_text(before: Network, after: Network, nic: str, bridge: str) -> str:
    """Draw both side by side, the routes below."""
    left, right = (_text(network, nic, bridge) for network in (before, after))
    width = max(len(line) for line in ["before", *left])
    rows = zip_longest(["before", "------", *left], ["after", "-----", *right], fillvalue="")
    return "\n".join(f"{one:{width}}   {other}".rstrip() for one, other in rows)


def _text(network: Network, nic: str, bridge: str) -> list[str]:
    lines: list[str] = []
    for box in _boxes(network, nic, bridge):
        lines += [*(["  |"] if lines else []), box.title, *(f"    {line}" for line in box.lines)]
    return lines


def as_svg(before: Network, after: Network, nic: str, bridge: str) -> str:
    """Draw both side by side, for light and dark pages."""
    panels = [
        _panel(network, title, nic, bridge) for title, network in (("before", before), ("after", after))
    ]
    height = max(size for _, size in panels)
    told = as_text(before, after, nic, bridge)
    svg = E.svg(
        E.title(told),  # for who cannot see it
        *(
            E.g(*parts, transform=f"translate({number * WIDTH},0)")
            for number, (parts, _) in enumerate(panels)
        ),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {2 * WIDTH} {height}",
        width=str(2 * WIDTH),
        role="img",
        style="max-width:100%;color:inherit;font:13px sans-serif",
    )
    return str(etree.tostring(svg, encoding="unicode"))


def _panel(network: Network, title: str, nic: str, bridge: str) -> tuple[list[etree._Element], int]:
    parts = [E.text(title, x="10", y="16", fill="currentColor", style="font-weight:bold")]
    top, boxes = 28, _boxes(network, nic, bridge)
    for number, box in enumerate(boxes):
        height = LINE * (1 + len(box.lines)) + 8
        colour = ACCENT if box.bridge else "currentColor"
        if number:
            middle = str(10 + BOX // 2)
            line = {"x1": middle, "x2": middle, "y1": str(top - GAP), "y2": str(top)}
            parts.append(E.line(stroke="currentColor", **line))
        frame = {"x": "10", "y": str(top), "width": str(BOX), "height": str(height), "rx": "4"}
        parts.append(
            E.rect(fill="none", stroke=colour, **{"stroke-width": "2" if box.bridge else "1"}, **frame)
        )
        parts += [
            E.text(
                text,
                x="20",
                y=str(top + LINE * (row + 1)),
                fill="currentColor" if row else colour,
                style="" if row else "font-weight:bold",
            )
            for row, text in enumerate((box.title, *box.lines))
        ]
        top += height + GAP
    return parts, top - GAP + 4
