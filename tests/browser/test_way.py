"""A new reader's whole way through the runbooks by mouse, and the form by keyboard alone."""

import re

from playwright.sync_api import Page, expect

import kvmkit as kk
from tests.browser.conftest import Picture
from tests.browser.lab import READY, Server, choose, in_front, open_runbook, run, wait_for_kernel


def follow(page: Page, link: str, runbook: str) -> None:
    """Click the first such link of the notebook in front, and wait until the runbook is there instead."""
    in_front(page).get_by_role("link", name=link, exact=True).first.click()
    page.wait_for_function(
        "path => window.jupyterapp.shell.currentWidget?.context?.path === path", arg=f"{runbook}.ipynb"
    )
    page.evaluate(READY)


def run_all(page: Page) -> None:
    """Have only the outputs of this run in the page."""
    choose(page, "Edit", "Clear Outputs of All Cells")
    expect(in_front(page).locator(".jp-OutputArea-output")).to_have_count(0)
    choose(page, "Run", "Run All Cells")


def run_below(page: Page, source: str) -> None:
    in_front(page).locator(".jp-CodeCell", has_text=source).locator(".jp-InputArea").click()
    choose(page, "Run", "Run Selected Cell and All Below")


def see_menu(page: Page, vms: str) -> None:
    """Run the menu, and wait until it knows how many VMs there are."""
    run_all(page)
    expect(in_front(page).locator(".jp-OutputArea").get_by_text(re.compile(rf"\b{vms}\b"))).to_be_visible()


def press_verbs(page: Page) -> None:
    """Press each button of the VM, and wait for the state it leads to."""
    book = in_front(page)
    for verb, state in {
        "shutdown": "shut off",
        "start": "running",
        "suspend": "suspended",
        "resume": "running",
        "destroy": "running",  # it asks first
        "really": "shut off",
    }.items():
        book.locator(f"button.kvmkit-vm-{verb}").click()
        expect(book.locator(".kvmkit-vm-state")).to_have_text(f"VM demo on test:///default: {state}")
    book.locator("button.kvmkit-vm-start").click()
    expect(book.locator(".kvmkit-vm-state")).to_have_text("VM demo on test:///default: running")


def delete(page: Page, name: str) -> None:
    """Type the name of the VM, without which the button does nothing, and click."""
    book = in_front(page)
    button = book.locator("button.kvmkit-apply")
    typed = book.locator(".kvmkit-confirm input")
    typed.click()
    page.keyboard.type(name[:-1])
    expect(button).to_be_disabled()
    page.keyboard.type(name[-1])
    expect(button).to_be_enabled()
    button.click()
    expect(book.locator(".kvmkit-state")).to_contain_text(f"delete VM {name} on test:///default: 3 PASS")


def test_a_new_reader_goes_the_whole_way_by_mouse(
    server: Server, practice_host: kk.Host, page: Page, picture: Picture
) -> None:
    page.goto(f"file://{server.opens}")
    wait_for_kernel(page)
    see_menu(page, "1 VM")

    follow(page, "10-check-host", "10-check-host")
    run_all(page)
    expect(in_front(page).get_by_text("test:///default is ready")).to_be_visible()

    follow(page, "the menu", "00-menu")
    follow(page, "40-create-vm", "40-create-vm")
    run_all(page)
    in_front(page).locator("button.kvmkit-apply").click()
    expect(in_front(page).locator(".kvmkit-state")).to_contain_text(
        "create VM web1 on test:///default: 3 PASS"
    )
    run_below(page, "report = gate.wait()")
    expect(in_front(page).get_by_text("VM web1 on test:///default: 4 PASS")).to_be_visible()

    follow(page, "the menu", "00-menu")
    see_menu(page, "2 VMs")
    picture(page, "00-menu", in_front(page).locator("h2", has_text="The menu"))
    follow(page, "50-manage-vms", "50-manage-vms")
    run_all(page)
    expect(in_front(page).get_by_text("NotApplied: plan")).to_be_visible()
    press_verbs(page)
    delete(page, "demo")

    # The other VM: its name into the parameters, over the word that a double click selects.
    in_front(page).locator(".cm-line", has_text="vm_name: str").get_by_text('"demo"').dblclick()
    page.keyboard.type("web1")
    run_all(page)
    delete(page, "web1")
    assert kk.vms(practice_host).empty

    follow(page, "the menu", "00-menu")
    see_menu(page, "0 VMs")


def run_down_to(page: Page, source: str) -> None:
    """Press Shift+Enter from cell to cell, up to that one; then go back to it."""
    active = page.locator(".jp-Cell.jp-mod-active")
    first = page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex")
    for number in range(first, page.locator(".jp-Cell").count()):
        # The key before this one may not have moved on yet.
        page.wait_for_function(
            "number => window.jupyterapp.shell.currentWidget.content.activeCellIndex === number", arg=number
        )
        there = source in active.inner_text()
        page.keyboard.press("Shift+Enter")
        if there:
            page.keyboard.press("ArrowUp")
            expect(active).to_contain_text(source)
            return
    raise AssertionError(f"no cell below has {source}")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the keyboard is there."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("name => !!document.activeElement.closest(`.kvmkit-${name}`)", name):
            return
    raise AssertionError(f"Tab does not lead to {name}")


def type_over(page: Page, text: str) -> None:
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def test_a_vm_is_made_by_keyboard_alone(practice_host: kk.Host, lab_page: Page) -> None:
    page = lab_page
    open_runbook(page, "40-create-vm")
    run(page, "notebook:clear-all-cell-outputs")
    expect(page.locator(".jp-Cell.jp-mod-active")).to_be_focused()

    run_down_to(page, "form = kk.form(")
    expect(page.locator(".kvmkit-preview")).to_be_visible()
    tab_to(page, "name")
    type_over(page, "key 1")
    expect(page.locator(".kvmkit-name-note")).to_contain_text("a name is 1 to 64 of letters")
    type_over(page, "key1")
    expect(page.locator(".kvmkit-name-note")).to_contain_text("good as a file and host name")
    tab_to(page, "memory_mib")
    type_over(page, "2048")
    tab_to(page, "graphics")
    page.keyboard.press("n")
    tab_to(page, "autostart")
    page.keyboard.press("Space")
    expect(page.locator(".kvmkit-call textarea")).to_have_value(
        "kk.VMSpec(name='key1', memory_mib=2048, graphics='none', autostart=True)"
    )
    tab_to(page, "preview")
    page.keyboard.press("Enter")
    expect(page.locator(".kvmkit-previewed")).to_contain_text("<name>key1</name>")

    page.keyboard.press("ArrowDown")
    run_down_to(page, "gate = kk.apply_form(")
    expect(page.locator(".kvmkit-apply")).to_be_enabled()
    tab_to(page, "apply")
    page.keyboard.press("Enter")
    expect(page.locator(".kvmkit-state")).to_contain_text("create VM key1 on test:///default: 4 PASS")
    made = kk.vms(practice_host).loc["key1"]
    assert (made["state"], made["memory_mib"], made["autostart"]) == ("running", 2048, True)
