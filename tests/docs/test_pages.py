"""The documentation builds without a warning, has what it promises, and asks no other server for anything."""

import re
from pathlib import Path

import kvmkit

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_reference_has_every_public_name(pages: Path) -> None:
    anchors = set(
        re.findall(r'id="kvmkit\.(\w+)"', (pages / "reference/index.html").read_text(encoding="utf-8"))
    )

    assert set(kvmkit.__all__) <= anchors


def test_every_runbook_is_a_page(pages: Path) -> None:
    runbooks = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    shown = {path.stem for path in (pages / "tutorials/runbooks").glob("*.html")}

    assert runbooks
    assert shown == runbooks


def test_forms_are_drawn_by_our_own_copy_of_the_widgets(pages: Path) -> None:
    page = (pages / "tutorials/runbooks/40-create-vm.html").read_text(encoding="utf-8")

    assert "application/vnd.jupyter.widget-view+json" in page
    assert "application/vnd.jupyter.widget-state+json" in page
    assert (pages / "_static/embed.js").exists()


def test_no_page_loads_anything_from_elsewhere(pages: Path) -> None:
    loads = re.compile(
        r"<(?:script|img|iframe)\b[^>]*\bsrc=\"(?:https?:)?//|<link\b[^>]*stylesheet[^>]*href=\"(?:https?:)?//"
    )
    built = list(pages.rglob("*.html"))

    assert built
    assert not [page.name for page in built if loads.search(page.read_text(encoding="utf-8"))]
