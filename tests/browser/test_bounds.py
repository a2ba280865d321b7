"""What a failed test says, and that it fails at all."""

import pytest
from playwright.sync_api import Error, Page

from tests.browser.bounds import bound_calls, tell


def test_a_script_that_never_ends_is_given_up_and_the_page_goes_on(page: Page) -> None:
    with bound_calls(1), pytest.raises(Error, match=r"^Page\.evaluate did not end within 1 s"):
        page.evaluate("() => new Promise(() => {})")

    assert page.evaluate("1 + 1") == 2


def test_what_a_page_shows_is_told_and_a_page_that_hangs_is_one_that_does_not_answer(page: Page) -> None:
    page.set_content("<div class='jp-Dialog'>Save?</div><div class='xterm-rows'><div>/ #</div></div>")
    assert tell(page) == "about:blank\nSave?\n/ #"

    page.evaluate("() => void setTimeout(() => { while (true); })")
    assert tell(page, seconds=1) == "about:blank\nit does not answer: Page.evaluate did not end within 1 s"
