"""The documentation as a reader's browser shows it: nothing is asked of other servers, nothing goes wrong."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

TABS = 8
"""How many pages are looked at side by side."""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and does not tell of each."""

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(pages: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(pages))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_no_page_asks_another_server_or_complains(pages: Path, site: str, page: Page) -> None:
    found: list[str] = []
    context = page.context

    def only_here(route: Route) -> None:
        if urlsplit(route.request.url).netloc == urlsplit(site).netloc:
            route.continue_()
        else:
            found.append(f"{route.request.frame.url} asks for {route.request.url}")
            route.abort()

    context.route("**/*", only_here)
    context.on("weberror", lambda error: found.append(f"{error.page and error.page.url}: {error.error}"))
    context.on("response", lambda got: found.append(f"{got.status} {got.url}") if not got.ok else None)
    context.on(
        "console",
        lambda said: (
            found.append(f"{said.page and said.page.url}: {said.text}") if said.type == "error" else None
        ),
    )
    # A page is idle half a second after its last request: several wait at once.
    tabs = [page, *(context.new_page() for _ in range(TABS - 1))]
    for tab in tabs:
        tab.on("websocket", lambda socket: found.append(f"a page opens {socket.url}"))
    names = sorted(str(path.relative_to(pages)) for path in pages.rglob("*.html"))
    for first in range(0, len(names), TABS):
        opened = list(zip(tabs, names[first:], strict=False))
        for tab, name in opened:
            tab.goto(f"{site}/{name}")
        for tab, _name in opened:
            tab.wait_for_load_state("networkidle")
            tab.evaluate("() => Promise.all([...document.images].map(image => image.decode()))")

    assert "index.html" in names
    assert not found


def test_forms_and_pictures_are_drawn_as_a_runbook_left_them(site: str, page: Page) -> None:
    page.goto(f"{site}/tutorials/runbooks/40-create-vm.html")
    expect(page.locator(".kvmkit-name input")).to_have_value("web1")
    expect(page.locator(".kvmkit-name-note")).to_be_visible()
    expect(page.locator(".kvmkit-state")).to_contain_text("create VM web1 on test:///default: 3 PASS")

    page.goto(f"{site}/tutorials/runbooks/30-bridge.html")
    expect(page.locator("article img[alt*='br0: bridge']")).to_be_visible()


def test_the_search_finds_pages_and_public_names(site: str, page: Page) -> None:
    found = page.locator("#search-results li a")
    page.goto(f"{site}/search.html?q=timeline")
    expect(found.filter(has_text="See what was done, and how long it took").first).to_be_visible()
    page.goto(f"{site}/search.html?q=plan_bridge")
    expect(found.filter(has_text="plan_bridge").first).to_be_visible()
