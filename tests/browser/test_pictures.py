"""Pictures in a real JupyterLab: stored ones before anything is run, and a screen that is followed."""

from playwright.sync_api import Page, expect

import kvmkit as kk
from tests.browser.lab import open_runbook, run


def test_pictures_are_there_before_a_runbook_is_run_and_a_screen_is_followed(
    practice_host: kk.Host, lab_page: Page
) -> None:
    page = lab_page
    open_runbook(page, "50-manage-vms")
    # The notebook is not trusted yet, so Lab cleans what is stored in it.
    stored = page.locator(".jp-OutputArea img[alt*='virbr0: network default']")
    expect(stored).to_be_visible()
    assert stored.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0

    run(page, "notebook:clear-all-cell-outputs")  # a form that is stored is shown, too
    run(page)
    expect(page.get_by_text("NotApplied: plan")).to_be_visible()
    expect(page.locator("img.kvmkit-screen")).to_be_visible()
    state = page.locator(".kvmkit-screen-state")
    kk.destroy(practice_host, "demo")
    expect(state).to_contain_text("it is shut off")

    kk.start(practice_host, "demo")
    page.locator("button.kvmkit-screen-button", has_text="Go on").click()
    expect(state).to_contain_text("follows the VM")
    page.locator("button.kvmkit-screen-button", has_text="Stop").click()
    expect(state).to_contain_text("stopped")
