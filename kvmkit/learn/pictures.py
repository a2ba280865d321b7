"""The tutorial's pictures: drawn by code as SVG in the page's own colours, and told as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree
from lxml.builder import E

__all__ = ["Picture", "picture_of_modes", "picture_of_the_loop"]

# Okabe and Ito's colours, told apart by the colour-blind; text is in the page's own, light or dark.
GUEST, KERNEL, USER = "#009E73", "#D55E00", "#0072B2"
LINE = 18
"""Pixels from one line of text to the next."""


@dataclass(frozen=True)
class Picture:
    """A picture: SVG in a notebook, its description elsewhere.

    Attributes
    ----------
    svg
        The picture.
    text
        What it shows, for a terminal and for who cannot see it.
    """

    svg: str
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.svg


MODES = """\
The processor's modes, and who is in them:
  guest mode, rings 3 and 0: the guest's programs, and below them the guest's kernel, both unchanged
  user mode of the host:     QEMU, one process for a VM: a thread for each virtual processor, and the devices;
                             beside it other programs, and libvirt, which starts QEMU
  kernel mode of the host:   Linux with the module kvm: enters guest mode and is where it comes back to;
                             beside it Linux's own scheduler, memory and drivers
  below all: one processor, with VT-x or AMD-V"""


def picture_of_modes() -> Picture:
    """Draw what runs where: guest mode, the host's user mode and its kernel.

    Returns
    -------
    Picture
        In place of the article's picture of KVM's architecture.
    """
    parts = [
        *_modes(),
        _text(10, 20, "guest mode", bold=True),
        _text(250, 20, "host's user mode", bold=True),
        _text(10, 240, "host's kernel mode", bold=True),
        *_arrow(176, 248, 176, 194, GUEST),
        *_arrow(198, 194, 198, 248, GUEST),
        _text(206, 222, "enter, exit"),
        *_arrow(330, 194, 330, 248, USER),
        *_arrow(360, 248, 360, 194, USER),
        _text(370, 222, "ioctl, return"),
        *_arrow(498, 60, 472, 60, USER),
    ]
    return Picture(_svg(680, 410, MODES, parts), MODES)


def _modes() -> list[etree._Element]:
    """Draw who is in which mode."""
    return [
        *_box(10, 30, 200, 76, GUEST, "the guest's programs", ["ring 3 of guest mode"]),
        *_box(
            10,
            116,
            200,
            76,
            GUEST,
            "the guest's kernel",
            ["ring 0 of guest mode,", "thinks it owns the machine"],
        ),
        *_box(
            250,
            30,
            220,
            162,
            USER,
            "QEMU, a process",
            ["a thread for each vCPU", "", "the devices: disk, network", "card, screen, serial line …"],
        ),
        *_box(500, 30, 170, 76, USER, "libvirt", ["starts QEMU,", "keeps descriptions"]),
        *_box(500, 116, 170, 76, USER, "other programs", ["virsh, a browser, …"]),
        *_box(
            10,
            250,
            460,
            76,
            KERNEL,
            "module kvm",
            [
                "enters guest mode, and is where the processor comes back to;",
                "maps the guest's memory; timers and interrupts",
            ],
        ),
        *_box(500, 250, 170, 76, KERNEL, "the rest of Linux", ["scheduler, memory,", "drivers"]),
        *_box(
            10, 356, 660, 44, "currentColor", "processor with VT-x or AMD-V, memory, disks, network cards", []
        ),
    ]


LOOP = """\
One virtual processor's life, from top to bottom:
  QEMU's thread    calls ioctl(KVM_RUN)
  KVM              loads the guest's registers and enters guest mode (VMLAUNCH, VMRUN)
  guest            runs its own code at full speed, until ...
  ... an interrupt of the host, or a page of memory that is missing:
  KVM              settles it and enters guest mode again; QEMU never hears of it
  guest            runs on, until ...
  ... it touches a device:
  KVM              returns from the ioctl: KVM_EXIT_IO
  QEMU's thread    plays the device, and calls ioctl(KVM_RUN) again"""

LANES = {"QEMU's thread": (90, USER), "KVM": (330, KERNEL), "guest mode": (570, GUEST)}
# From lane, to lane, what is said on the way, and what the one who gets it does then.
TURNS = (
    ("QEMU's thread", "KVM", "ioctl(KVM_RUN)", ""),
    ("KVM", "guest mode", "enter", "runs its own code"),
    ("guest mode", "KVM", "exit: interrupt, missing page", "settles it"),
    ("KVM", "guest mode", "enter", "runs on"),
    ("guest mode", "KVM", "exit: output to a port", "not mine"),
    ("KVM", "QEMU's thread", "return: KVM_EXIT_IO", "plays the device"),
    ("QEMU's thread", "KVM", "ioctl(KVM_RUN)", "… and so on"),
)


def picture_of_the_loop() -> Picture:
    """Draw how a virtual processor goes between guest mode, kernel and user space.

    Returns
    -------
    Picture
        In place of the article's picture of how KVM works.
    """
    step, top = 48, 60
    bottom = top + step * len(TURNS)
    parts: list[etree._Element] = []
    for name, (x, colour) in LANES.items():
        parts += [
            _text(x, 22, name, bold=True, anchor="middle"),
            E.line(
                x1=str(x), x2=str(x), y1="32", y2=str(bottom), stroke=colour, **{"stroke-dasharray": "2 4"}
            ),
        ]
    for number, (start, end, said, does) in enumerate(TURNS):
        y = top + step * number
        (left, colour), (right, _lane) = LANES[start], LANES[end]
        parts += _arrow(left, y, right, y, colour)
        parts.append(_text((left + right) // 2, y - 6, said, anchor="middle"))
        if does:
            parts.append(_text(right + 8, y + 20, does, bold=True))
    return Picture(_svg(720, bottom + 10, LOOP, parts), LOOP)


def _svg(width: int, height: int, told: str, parts: Iterable[etree._Element]) -> str:
    svg = E.svg(
        E.title(told),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=str(width),
        role="img",
        style="max-width:100%;height:auto;color:inherit;font:13px sans-serif",
    )
    return str(etree.tostring(svg, encoding="unicode"))


def _text(x: int, y: int, text: str, *, bold: bool = False, anchor: str = "start") -> etree._Element:
    style = "font-weight:bold" if bold else ""
    return E.text(text, x=str(x), y=str(y), fill="currentColor", style=style, **{"text-anchor": anchor})


def _box(
    x: int, y: int, width: int, height: int, colour: str, title: str, lines: list[str]
) -> list[etree._Element]:
    frame = {"x": str(x), "y": str(y), "width": str(width), "height": str(height), "rx": "5"}
    inside = [_text(x + 10, y + LINE * (row + 2), line) for row, line in enumerate(lines) if line]
    return [
        E.rect(fill="none", stroke=colour, **{"stroke-width": "2"}, **frame),
        _text(x + 10, y + LINE, title, bold=True),
        *inside,
    ]


def _arrow(x1: int, y1: int, x2: int, y2: int, colour: str) -> list[etree._Element]:
    """Draw an arrow, across or up and down; its head is a shape of its own, as ids would meet on a page."""
    across = (x2 > x1) - (x2 < x1)
    down = (y2 > y1) - (y2 < y1)
    base = (x2 - 9 * across, y2 - 9 * down)
    sides = [(base[0] + 4 * down * s, base[1] + 4 * across * s) for s in (1, -1)]
    points = " ".join(f"{x},{y}" for x, y in [(x2, y2), *sides])
    ends = {"x1": str(x1), "y1": str(y1), "x2": str(base[0]), "y2": str(base[1])}
    return [E.line(stroke=colour, **{"stroke-width": "2"}, **ends), E.polygon(points=points, fill=colour)]
