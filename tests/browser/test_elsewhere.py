"""Runbooks where there is no JupyterLab around them: in Notebook 7, and as pages that Voila serves."""

from playwright.sync_api import Page, expect

import kvmkit as kk
from tests.browser.lab import Server, run, wait_for_kernel


def apply_by_click(page: Page, host: kk.Host) -> None:
    """Nothing has been done so far; the click does it."""
    button = page.locator("button.kvmkit-apply")
    expect(button).to_be_enabled()
    assert list(kk.vms(host).index) == ["demo"]
    assert kk.history(host).empty

    button.click()
    expect(page.locator(".kvmkit-state")).to_contain_text("create VM web1 on test:///default: 3 PASS")
    assert kk.vms(host).loc["web1", "state"] == "running"


def test_notebook_7_applies_by_a_click(server: Server, practice_host: kk.Host, page: Page) -> None:
    page.goto(server.url("notebooks/40-create-vm.ipynb"))
    wait_for_kernel(page)
    run(page, "notebook:clear-all-cell-outputs")
    run(page)

    expect(page.get_by_text("NotApplied: plan")).to_be_visible()
    apply_by_click(page, practice_host)


def test_voila_applies_nothing_until_somebody_clicks(
    server: Server, practice_host: kk.Host, page: Page
) -> None:
    page.goto(server.url("voila/render/00-menu.ipynb"))
    expect(page.get_by_text("test:///default answers")).to_be_visible()
    assert kk.history(practice_host).empty

    with page.expect_popup() as opened:
        page.get_by_role("link", name="40-create-vm").click()
    # Where a page stops: no cell that comes later will run.
    expect(opened.value.get_by_text("There was an error when executing cell")).to_be_visible()
    apply_by_click(opened.value, practice_host)


def test_voila_runs_no_verb_until_somebody_clicks(server: Server, practice_host: kk.Host, page: Page) -> None:
    page.goto(server.url("voila/render/50-manage-vms.ipynb"))
    # At the gate of the plan to delete.
    expect(page.get_by_text("There was an error when executing cell")).to_be_visible()
    assert kk.history(practice_host).empty

    page.locator("button.kvmkit-vm-suspend").click()
    expect(page.locator(".kvmkit-vm-state")).to_have_text("VM demo on test:///default: suspended")
    assert kk.vms(practice_host).loc["demo", "state"] == "suspended"
