"""The first minute of a new reader: `make lab` as it is, in a home without any settings."""

import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.lab import choose, copy_runbooks, in_front, make_lab, started

IN_FRONT = ".jp-Dialog, .Toastify__toast"
"""What JupyterLab puts in front of a page: questions and news."""


def test_make_lab_opens_the_menu_and_nothing_is_in_front_of_it(
    page: Page, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    home, log = tmp_path / "home", tmp_path / "log"
    copy_runbooks(home / "notebooks")
    settings = {"HOME": str(home), "JUPYTER_CONFIG_DIR": str(home / ".jupyter")}
    start = time.monotonic()
    with started(make_lab(home / "notebooks"), settings, log) as address:
        page.goto(address)
        menu = in_front(page)
        expect(menu.locator("h2", has_text="The menu")).to_be_visible()
        record_property("seconds from `make lab` to the open menu", round(time.monotonic() - start, 1))

        expect(menu.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute("data-status", "idle")
        choose(page, "Edit", "Clear Outputs of All Cells")
        expect(menu.locator(".jp-OutputArea-output")).to_have_count(0)
        choose(page, "Run", "Run All Cells")
        expect(menu.get_by_text("test:///default answers")).to_be_visible()
        assert page.locator(IN_FRONT).all_inner_texts() == []

        menu.locator(".jp-OutputArea").get_by_role("link", name="40-create-vm").click()
        expect(in_front(page).locator("h1", has_text="Create a VM")).to_be_visible()
        said = log.read_text(encoding="utf-8")
    # Also by now it has said nothing else, such as which language servers are not installed.
    assert said.splitlines()[-1].strip() == address
    assert "server(s)" not in said
