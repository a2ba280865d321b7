"""The documentation builds without a warning, has what it promises, and asks no other server for anything."""

import re
import subprocess
from pathlib import Path

import pytest

import kvmkit

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ROOT / "build" / "docs"
CANNOT = 77  # what tools/build-docs answers when a part can't be had on this machine


@pytest.fixture(scope="module", autouse=True)
def built_pages() -> None:
    done = subprocess.run(["tools/build-docs"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == CANNOT:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_reference_has_every_public_name() -> None:
    anchors = set(
        re.findall(r'id="kvmkit\.(\w+)"', (PAGES / "reference/index.html").read_text(encoding="utf-8"))
    )

    assert set(kvmkit.__all__) <= anchors


def test_every_runbook_is_a_page() -> None:
    runbooks = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    pages = {path.stem for path in (PAGES / "tutorials/runbooks").glob("*.html")}

    assert runbooks
    assert pages == runbooks


def test_forms_are_drawn_by_our_own_copy_of_the_widgets() -> None:
    page = (PAGES / "tutorials/runbooks/40-create-vm.html").read_text(encoding="utf-8")

    assert "application/vnd.jupyter.widget-view+json" in page
    assert "application/vnd.jupyter.widget-state+json" in page
    assert (PAGES / "_static/embed.js").exists()


def test_no_page_loads_anything_from_elsewhere() -> None:
    loads = re.compile(
        r"<(?:script|img|iframe)\b[^>]*\bsrc=\"(?:https?:)?//|<link\b[^>]*stylesheet[^>]*href=\"(?:https?:)?//"
    )
    pages = list(PAGES.rglob("*.html"))

    assert pages
    assert not [page.name for page in pages if loads.search(page.read_text(encoding="utf-8"))]
