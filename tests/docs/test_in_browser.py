"""The built documentation in a browser: forms and pictures are there, search finds, nothing is fetched."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect


@pytest.fixture
def elsewhere(page: Page) -> list[str]:
    """Give what the pages ask of other machines, and hold the requests back."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.startswith("http") else None)
    page.context.set_offline(True)
    return asked


def test_forms_and_pictures_are_shown_and_nothing_is_asked_of_another_machine(
    pages: Path, page: Page, elsewhere: list[str]
) -> None:
    runbooks = sorted((pages / "tutorials/runbooks").glob("*.html"))
    assert runbooks
    for runbook in runbooks:
        page.goto(runbook.as_uri())
        page.wait_for_load_state("networkidle")
        for picture in page.locator("article img").all():
            assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)")
    page.goto((pages / "tutorials/runbooks/40-create-vm.html").as_uri())
    expect(page.locator(".kvmkit-name input")).to_have_value("web1")
    page.goto((pages / "tutorials/runbooks/30-bridge.html").as_uri())
    expect(page.locator("article img[alt*='br0: bridge']")).to_be_visible()
    for name in ("index.html", "reference/index.html", "how-to/use-a-console.html"):
        page.goto((pages / name).as_uri())
        page.wait_for_load_state("networkidle")

    assert elsewhere == []


def test_search_finds_what_is_looked_for(pages: Path, page: Page, elsewhere: list[str]) -> None:
    page.goto((pages / "search.html").as_uri() + "?q=timeline")

    found = page.locator("#search-results li a")
    expect(found.filter(has_text="See what was done, and how long it took").first).to_be_visible()
    assert elsewhere == []
