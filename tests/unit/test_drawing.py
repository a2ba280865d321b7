"""What all pictures share: they can be read on light and dark paper, and nothing of them is cut off."""

import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from urllib.parse import unquote

import pytest
from lxml import etree, html

from kvmkit import drawing, learn
from kvmkit.drawing import LETTER, PAPERS, Picture, as_image, fitting

CONFIG = Path(__file__).parents[1] / "nbval.cfg"
PICTURES = [learn.picture_of_modes, learn.picture_of_the_loop]


def luminance(colour: str) -> float:
    """Compute WCAG's relative luminance (https://www.w3.org/TR/WCAG21/#dfn-relative-luminance)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("ink", "paper"), PAPERS.values())
def test_text_stands_out_from_the_paper_and_so_do_coloured_lines(ink: str, paper: str) -> None:
    assert contrast(ink, paper) >= 4.5
    for colour in (drawing.GREEN, drawing.ORANGE, drawing.BLUE):
        assert contrast(colour, paper) >= 3  # as WCAG asks of graphics


@pytest.mark.parametrize("draw", PICTURES)
def test_text_has_the_ink_of_its_paper_and_nothing_is_loaded(draw: Callable[[], Picture]) -> None:
    picture = draw()
    texts = etree.fromstring(picture.svg).findall(".//{*}text")

    assert texts
    assert {text.get("fill") for text in texts} == {"currentColor"}
    assert "http" not in picture.svg.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("draw", PICTURES)
def test_nothing_of_a_picture_is_outside_of_it(draw: Callable[[], Picture]) -> None:
    nothing_is_outside(draw().svg)


def nothing_is_outside(picture: str) -> None:
    svg = etree.fromstring(picture)
    _, _, width, height = (float(number) for number in str(svg.get("viewBox")).split())
    for shape in svg.iter("{*}rect", "{*}text"):
        length = float(shape.get("width", LETTER * len(shape.text or "")))
        before = {"start": 0.0, "middle": length / 2, "end": length}[shape.get("text-anchor", "start")]
        assert float(shape.get("x", 0)) - before >= 0
        assert float(shape.get("x", 0)) - before + length <= width
        assert float(shape.get("y", 0)) + float(shape.get("height", 0)) <= height


def test_a_page_gets_an_image_with_the_whole_picture_in_it_and_the_words_for_who_cannot_see_it() -> None:
    svg = drawing.drawn(100, 50, [drawing.text(10, 20, '"a" <b> & 100 % #1 …')])
    image = html.fromstring(as_image(svg, 'say "<b>"\nnext line'))

    assert image.tag == "img"
    assert image.get("alt") == 'say "<b>"\nnext line'
    assert unquote(str(image.get("src")).partition(",")[2]) == svg
    assert etree.fromstring(svg).findtext("{*}text") == '"a" <b> & 100 % #1 …'


def test_a_notebooks_test_looks_away_from_a_picture_that_differs() -> None:
    told = as_image("<svg/>", "a > b\nc", differs=True)
    pattern = re.search(r"regex: (.*kvmkit-differs.*)", CONFIG.read_text(encoding="utf-8"))

    assert pattern is not None
    assert re.sub(pattern[1], "PICTURE", f"<p>x</p>{told}<p>y</p>") == "<p>x</p>PICTURE<p>y</p>"


def test_what_is_too_wide_is_shortened_so_that_it_fits() -> None:
    for words, width in product(("", "br0", "x" * 64), (60, 300)):
        assert LETTER * len(fitting(words, width)) <= width
    assert fitting("br0", 60) == "br0"
    assert fitting("x" * 64, 60).endswith("…")
