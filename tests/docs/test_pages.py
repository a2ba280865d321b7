"""The documentation builds without a warning, and has what it promises."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxml import html

import kvmkit

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_reference_has_every_public_name(pages: Path) -> None:
    anchors = set(
        re.findall(r'id="kvmkit\.(\w+)"', (pages / "reference/index.html").read_text(encoding="utf-8"))
    )

    assert set(kvmkit.__all__) <= anchors


def test_the_reference_lists_every_public_name_by_what_it_is_for() -> None:
    page = (ROOT / "docs/reference/index.md").read_text(encoding="utf-8")

    assert sorted(re.findall(r":(?:func|class|exc):`(\w+)`", page)) == sorted(kvmkit.__all__)


def test_every_runbook_is_a_page(pages: Path) -> None:
    runbooks = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    shown = {path.stem for path in (pages / "tutorials/runbooks").glob("*.html")}

    assert runbooks
    assert shown == runbooks


def test_every_link_within_the_pages_leads_somewhere(pages: Path) -> None:
    trees = {path: html.parse(str(path)).getroot() for path in pages.rglob("*.html")}
    broken = []
    for path, tree in trees.items():
        links = [link for *_, link, _ in tree.iterlinks() if not urlsplit(link).netloc]
        within = [link for link in links if not urlsplit(link).scheme]
        assert within, path
        broken += [(path.name, link) for link in within if not leads_somewhere(path, link, trees)]

    assert trees
    assert not broken


def leads_somewhere(page: Path, link: str, trees: dict[Path, html.HtmlElement]) -> bool:
    """Tell whether there is such a file and, in a page, such an anchor."""
    parts = urlsplit(link)
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not parts.fragment or target not in trees:
        return target.is_file()
    return bool(trees[target].xpath("//*[@id=$anchor]", anchor=unquote(parts.fragment)))
