"""The console of a real VM, used in the page by a person."""

import re
from collections.abc import Iterator

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

import kvmkit as kk
from kvmkit.forms.console import _library
from tests.browser.conftest import Picture
from tests.browser.lab import Server, open_runbook, run, wait_for_kernel
from tests.lab.fixtures import lab
from tests.lab.lab import Lab
from tests.lab.waiting import wait_until
from tests.realqemu.vm.world import ASKS, PROMPT, READY, World

__all__ = ["lab"]

LOGIN = "echo root::0:0::/:/bin/sh > /etc/passwd; exec getty 115200 ttyS0"
"""Has the guest, which gives its shell to anybody, ask for a login."""
THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
RESTART = "window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[World]:
    try:
        _library()
    except kk.Unsupported as error:
        pytest.skip(str(error))
    world = World(lab, kk.connect(lab.ssh_uri))
    kk.apply(kk.plan_vm(world.host, world.linux(disk_gib=0)))
    world.wait_for("linux", PROMPT)
    yield world
    kk.destroy(world.host, "linux")


@pytest.fixture
def console(server: Server, world: World, lab_page: Page) -> Locator:
    """The console that a cell has just shown."""
    cells = [f"import kvmkit as kk\nhost = kk.connect({world.host.uri!r})", "kk.console(host, 'linux')"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    # Else Lab asks which kernel it shall be.
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    nbformat.write(book, server.folder / "notebooks/console.ipynb")
    open_runbook(lab_page, "console")
    run(lab_page)
    return lab_page.locator(".kvmkit-console")


def type_line(page: Page, line: str, pattern: str) -> None:
    """Type a line, and wait for what the guest answers, which must be nothing that was there before.

    Also for its prompt, before more is typed: a shell that is about to ask for a line may lose keys.
    """
    page.keyboard.type(f"{line}\n")
    expect(page.locator(".xterm-rows")).to_contain_text(re.compile(pattern, re.DOTALL))


def be_at_the_prompt(page: Page) -> None:
    """Have an empty screen with the prompt of a shell that waits.

    A prompt alone may be one from before, behind which the next is still to come.
    """
    type_line(page, "clear; echo here=$((40+2))", f"^here=42.*{ASKS}")


def test_somebody_works_at_it(console: Locator, world: World, lab_page: Page, picture: Picture) -> None:
    page = lab_page
    state = console.locator(".kvmkit-console-state")
    expect(state).to_have_text("Console of VM linux on qemu+ssh://root@lab/system: attached")
    console.locator(".xterm-screen").click()
    be_at_the_prompt(page)
    type_line(page, LOGIN, "login:")
    type_line(page, "root", f"login: root.*{ASKS}")
    type_line(page, "uname -a", f"GNU/Linux.*{ASKS}")
    expect(console.locator(".kvmkit-console-hint")).to_contain_text("Ctrl-] leaves the terminal")
    picture(page.locator(".jp-Cell", has=console), "console", console)

    # Ctrl-C is the guest's, and so are keys that JupyterLab has a meaning for.
    type_line(page, "echo begun=$((1+1)); cat", "begun=2")
    page.keyboard.press("Control+b")
    expect(console.locator(".xterm-rows")).to_contain_text("^B")
    page.keyboard.press("Control+c")
    expect(console.locator(".xterm-rows")).to_contain_text(re.compile(rf"\^B\^C.*{ASKS}", re.DOTALL))
    type_line(page, "echo stopped=$((1+1))", f"stopped=2.*{ASKS}")

    # Computed colours: the terminal takes those of the theme.
    for theme, colour in {"Dark": "rgb(17, 17, 17)", "Light": "rgb(255, 255, 255)"}.items():
        page.evaluate(THEME, f"JupyterLab {theme}")
        expect(page.locator("body")).to_have_attribute("data-jp-theme-light", str(theme == "Light").lower())
        expect(console.locator(".xterm-scrollable-element")).to_have_css("background-color", colour)

    copy_and_paste(console, page)
    page.keyboard.press("Control+]")
    expect(page.locator(".jp-Cell:focus")).to_have_count(1)

    # The guest's power is cut and comes back, and the page with it.
    kk.destroy(world.host, "linux")
    expect(state).to_contain_text("VM linux is off: this console comes back when it starts")
    kk.start(world.host, "linux")
    expect(state).to_contain_text("attached")
    world.wait_for("linux", PROMPT)
    expect(console.locator(".xterm-rows")).to_contain_text(READY)


def copy_and_paste(console: Locator, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    type_line(page, "echo copy$((1+1))me", f"copy2me.*{ASKS}")
    line = console.locator(".xterm-rows > div", has_text="copy2me").last.bounding_box()
    assert line
    page.mouse.dblclick(line["x"] + 20, line["y"] + line["height"] / 2)
    page.keyboard.press("Control+Shift+C")
    wait_until(lambda: page.evaluate("navigator.clipboard.readText()") == "copy2me", "the copied text")
    page.evaluate("navigator.clipboard.writeText('echo pasted$((2+2))')")
    page.keyboard.press("Control+Shift+V")
    expect(console.locator(".xterm-rows")).to_contain_text("echo pasted$((2+2))")
    type_line(page, "", "pasted4")


def test_a_page_that_is_loaded_again_shows_what_was_said(
    console: Locator, server: Server, lab_page: Page
) -> None:
    page = lab_page
    rows, state = console.locator(".xterm-rows"), console.locator(".kvmkit-console-state")
    console.locator(".xterm-screen").click()
    be_at_the_prompt(page)
    type_line(page, "echo before=$((1+1)); cat -v", "before=2")
    # The terminal's answers to the shell (where is the cursor?) may come so late that `cat` reads them. The
    # terminal has sent them before this line, so they are there when the guest has repeated the line.
    type_line(page, "first", "first.*first")
    run(page, "docmanager:save")
    answers = rows.inner_text().count("^[[")

    page.goto(server.url("lab/tree/console.ipynb"))
    wait_for_kernel(page)
    expect(rows).to_contain_text(re.compile("before=2.*first.*first", re.DOTALL))
    console.locator(".xterm-screen").click()
    type_line(page, "after", "after.*after")
    # What the guest asked of the terminal is not answered a second time.
    assert rows.inner_text().count("^[[") == answers

    # Given up, the console is free for others; Enter takes it back.
    console.get_by_role("button", name="Disconnect").click()
    expect(state).to_contain_text("disconnected: press Enter to connect again")
    console.locator(".xterm-screen").click()
    page.keyboard.press("Enter")
    expect(state).to_contain_text("attached")
    page.evaluate(RESTART)
    expect(state).to_contain_text("the kernel behind it has ended; run the cell again")
