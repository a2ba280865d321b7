"""Runbooks in a real JupyterLab, clicked by a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

import kvmkit as kk
from tests.browser.conftest import Picture
from tests.browser.lab import Server, in_front, open_runbook, run

NOTE_IS_BELOW = """() => {
    const [field, note] = ['.kvmkit-name', '.kvmkit-name-note'].map(
        (name) => document.querySelector(name).getBoundingClientRect());
    return note.top >= field.bottom && note.width > 150;
}"""


def test_a_vm_is_made_by_a_person_who_errs_and_double_clicks(
    practice_host: kk.Host, lab_page: Page, picture: Picture
) -> None:
    page = lab_page
    open_runbook(page, "40-create-vm")
    run(page)

    # With a person there, the page stops at the gate, in one line; `confirm` counts for nothing.
    expect(page.get_by_text("NotApplied: plan")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)
    assert "web1" not in kk.vms(practice_host).index
    apply = page.locator("button.kvmkit-apply")
    expect(apply).to_be_enabled()

    # What is wrong is said while it is typed, and an edited form makes the plan void.
    name = page.locator(".kvmkit-name input")
    name.press_sequentially(" 2")
    expect(page.locator(".kvmkit-name-note")).to_contain_text("a name is 1 to 64 of letters")
    expect(apply).to_be_disabled()
    expect(page.locator(".kvmkit-state")).to_contain_text("this plan is void")
    name.fill("web1")
    expect(page.locator(".kvmkit-name-note")).to_contain_text("good as a file and host name")
    expect(apply).to_be_enabled()

    picture(in_front(page), "40-create-vm", page.locator(".kvmkit-name"))
    # In a narrow window a note has room below its field.
    wide = page.viewport_size
    assert wide
    page.set_viewport_size({"width": 640, "height": wide["height"]})
    page.wait_for_function(NOTE_IS_BELOW)
    page.set_viewport_size(wide)
    apply.dblclick()
    expect(page.locator(".kvmkit-state")).to_contain_text("create VM web1 on test:///default: 3 PASS")
    picture(in_front(page), "40-plan", page.locator("h2", has_text="The plan"))
    assert kk.vms(practice_host).loc["web1", "state"] == "running"
    assert list(kk.history(practice_host)["what"]) == ["create VM web1"]


def test_a_host_is_prepared_by_a_person_who_goes_from_gate_to_gate(
    practice_host: kk.Host, lab_page: Page
) -> None:
    page = lab_page
    open_runbook(page, "20-prepare-host")
    run(page, "notebook:clear-all-cell-outputs")
    run(page)

    # It stops at the first stage that the report asks for, and again at the next; the others have no button.
    buttons = page.locator("button.kvmkit-apply:visible")
    for number, (stage, says) in enumerate({"packages": "2 SKIP", "defaults": "2 PASS"}.items()):
        expect(buttons).to_have_count(number + 1)
        expect(page.get_by_text("NotApplied: plan")).to_be_visible()
        buttons.nth(number).click()
        expect(page.locator(".kvmkit-state", has_text=says)).to_be_visible()
        page.locator(".jp-CodeCell", has_text=f'gates["{stage}"].wait()').locator(".jp-InputArea").click()
        run(page, "notebook:run-all-below")

    expect(page.get_by_text("NotApplied: plan")).to_have_count(0)
    expect(page.get_by_text("test:///default is ready")).to_be_visible()
    expect(page.locator("tr", has_text=re.compile(r"default pool and network\s+WARN\s+PASS"))).to_be_visible()
    assert list(kk.history(practice_host)["what"]) == ["the default pool and network"]

    # An earlier stage, run once more, is still that stage.
    page.locator(".kvmkit-baseurl input").fill("nowhere")
    page.locator(".jp-CodeCell", has_text="plan = kk.plan_repository").locator(".jp-InputArea").click()
    run(page, "notebook:run-cell")
    expect(page.get_by_text("InvalidSpec: baseurl: 'nowhere': a URL begins with")).to_be_visible()


def test_a_password_that_is_typed_is_kept_nowhere(
    practice_host: kk.Host, server: Server, lab_page: Page
) -> None:
    page = lab_page
    open_runbook(page, "41-unattended-install")
    run(page, "notebook:clear-all-cell-outputs")
    run(page)
    nobody = page.get_by_text("nobody will be able to log in")
    expect(nobody).to_be_visible()

    field = page.locator(".kvmkit-password input")
    expect(field).to_have_attribute("type", "password")
    field.fill("hunter2-hunter2")
    page.locator(".jp-CodeCell", has_text="plan = kk.plan_vm").locator(".jp-InputArea").click()
    run(page, "notebook:run-cell")
    expect(nobody).to_have_count(0)

    run(page, "@jupyter-widgets/jupyterlab-manager:saveWidgetState")
    run(page, "docmanager:save")
    stored = (server.folder / "notebooks/41-unattended-install.ipynb").read_text(encoding="utf-8")
    assert "kvmkit-password" in stored  # the field is among the states
    assert "hunter2" not in stored


def test_a_bridge_is_tried_and_then_kept_by_a_person(
    practice_host: kk.Host, lab_page: Page, picture: Picture
) -> None:
    try:
        practice_host.networked()
    except kk.Unsupported as error:
        pytest.skip(str(error))
    page = lab_page
    open_runbook(page, "30-bridge")
    run(page, "notebook:clear-all-cell-outputs")
    run(page)
    expect(page.get_by_text("NotApplied: plan")).to_be_visible()

    # Time enough for a slow browser; the plan of before is void then.
    page.locator(".kvmkit-timeout input").fill("600")
    expect(page.locator(".kvmkit-state")).to_contain_text("this plan is void")
    page.locator(".jp-CodeCell", has_text="plan = kk.plan_bridge").locator(".jp-InputArea").click()
    run(page, "notebook:run-all-below")
    page.locator("button.kvmkit-apply").click()

    expect(page.locator(".kvmkit-question")).to_contain_text("Keep it?")
    expect(page.locator(".kvmkit-question")).to_contain_text("s are left; then the host puts itself back")
    picture(in_front(page), "30-bridge", page.locator(".jp-CodeCell", has_text="plan = kk.plan_bridge"))
    page.locator("button.kvmkit-yes").click()
    expect(page.locator(".kvmkit-state")).to_contain_text(
        "put eth0 into bridge br0 on test:///default: 2 PASS"
    )
    expect(page.locator(".kvmkit-question")).to_be_hidden()

    page.locator(".jp-CodeCell", has_text="report = gate.wait()").locator(".jp-InputArea").click()
    run(page, "notebook:run-all-below")
    expect(page.get_by_text("192.168.0.1 answered the host all the time").first).to_be_visible()
    assert list(kk.history(practice_host)["what"]) == ["put eth0 into bridge br0"]
