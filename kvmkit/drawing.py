"""Pictures: a few shapes of SVG, and how a notebook shows them beside the same thing told as text.

A picture goes into a page as an ``<img>`` with the SVG in its address. An ``<svg>`` element is taken out
of a notebook that nobody has run yet, as JupyterLab cleans what it does not trust, and leaves loose words.
The price is that a picture cannot take the page's colours: it has paper of its own, which is dark where
the page says that it is (CSS's color-scheme, as JupyterLab does), or else the reader's system.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

from lxml import etree
from lxml.builder import E
from markupsafe import Markup

from kvmkit.safe import html, one_line, page, plain

__all__ = [
    "BLUE",
    "GREEN",
    "LINE",
    "ORANGE",
    "PLAIN",
    "Picture",
    "Shapes",
    "arrow",
    "as_image",
    "bar",
    "box",
    "drawn",
    "fitting",
    "line",
    "text",
]

Shapes: TypeAlias = "list[etree._Element]"  # noqa: SLF001 - lxml has no other name for it

GREEN, ORANGE, BLUE = "#009E73", "#D55E00", "#0072B2"
"""Okabe and Ito's colours, told apart by the colour-blind; of lines alone, never of text."""
PLAIN = "currentColor"
PAPERS = {"light": ("#111111", "#ffffff"), "dark": ("#eeeeee", "#1c1c1c")}
"""Ink and paper."""
LINE = 18
"""Pixels from one line of text to the next."""
LETTER = 7.5
"""Pixels of a wide letter."""

_STYLE = "svg{{font:13px sans-serif;color:{};background:{}}}"
_STYLES = (
    f"{_STYLE.format(*PAPERS['light'])}@media(prefers-color-scheme:dark){{{_STYLE.format(*PAPERS['dark'])}}}"
)


@dataclass(frozen=True)
class Picture:
    """A picture: drawn in a notebook, told in words elsewhere and to who cannot see it.

    Attributes
    ----------
    svg
        The picture, also to be written into a file.
    text
        What it shows.
    """

    svg: str
    text: str

    def __repr__(self) -> str:
        return plain(self.text)

    def _repr_html_(self) -> Markup:
        return page(as_image(self.svg, self.text))


def as_image(svg: str, told: str, *, differs: bool = False) -> Markup:
    """Give the HTML of a picture; `differs`: from run to run, so that tests of notebooks look away."""
    kind = html(' class="kvmkit-differs"') if differs else ""
    address = quote(svg, safe="/:=;,.()'")
    image = '<img{} style="max-width:100%" alt="{}" src="data:image/svg+xml;charset=utf-8,{}">'
    return html(image, kind, told, address)


def drawn(width: int, height: int, shapes: Iterable[etree._Element]) -> str:
    """Put shapes on paper of so many pixels."""
    size = {"viewBox": f"0 0 {width} {height}", "width": str(width), "height": str(height)}
    svg = E.svg(E.style(_STYLES), *shapes, xmlns="http://www.w3.org/2000/svg", **size)
    return str(etree.tostring(svg, encoding="unicode"))


def text(x: int, y: int, words: str, *, bold: bool = False, anchor: str = "start") -> etree._Element:
    """Write a line of text; `anchor` (start, middle, end) is the point of it that is at `x`."""
    style = "font-weight:bold" if bold else ""
    return E.text(one_line(words), x=str(x), y=str(y), fill=PLAIN, style=style, **{"text-anchor": anchor})


def fitting(words: str, width: int) -> str:
    """Shorten what is wider than so many pixels."""
    most = int(width / LETTER)
    return words if len(words) <= most else f"{words[: most - 1]}…"


def box(
    x: int,
    y: int,
    width: int,
    height: int,
    colour: str,
    title: str,
    lines: Sequence[str],
    *,
    dashed: bool = False,
) -> Shapes:
    """Draw a box with a title and lines of text; a coloured one has a heavy frame."""
    frame = {"x": str(x), "y": str(y), "width": str(width), "height": str(height), "rx": "5"}
    return [
        E.rect(fill="none", stroke=colour, **frame, **_stroke(colour, dashed)),
        text(x + 10, y + LINE, title, bold=True),
        *(text(x + 10, y + LINE * (row + 2), words) for row, words in enumerate(lines) if words),
    ]


def bar(x: int, y: int, width: int, height: int, *, hollow: bool = False) -> etree._Element:
    """Draw a bar, at least two pixels wide."""
    size = {"x": str(x), "y": str(y), "width": str(max(width, 2)), "height": str(height)}
    return E.rect(fill="none" if hollow else PLAIN, stroke=PLAIN, **size)


def line(x1: int, y1: int, x2: int, y2: int, colour: str = PLAIN, *, dashed: bool = False) -> etree._Element:
    """Draw a line."""
    ends = {"x1": str(x1), "y1": str(y1), "x2": str(x2), "y2": str(y2)}
    return E.line(stroke=colour, **ends, **_stroke(colour, dashed))


def _stroke(colour: str, dashed: bool) -> dict[str, str]:
    return {
        "stroke-width": "1" if colour == PLAIN else "2",
        **({"stroke-dasharray": "3 4"} if dashed else {}),
    }


def arrow(x1: int, y1: int, x2: int, y2: int, colour: str) -> Shapes:
    """Draw an arrow, across or up and down."""
    across = (x2 > x1) - (x2 < x1)
    down = (y2 > y1) - (y2 < y1)
    base = (x2 - 9 * across, y2 - 9 * down)
    sides = [(base[0] + 4 * down * s, base[1] + 4 * across * s) for s in (1, -1)]
    points = " ".join(f"{x},{y}" for x, y in [(x2, y2), *sides])
    return [line(x1, y1, *base, colour), E.polygon(points=points, fill=colour)]
