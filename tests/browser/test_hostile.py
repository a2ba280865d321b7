"""A guest and a host of ill will, and a person's JupyterLab: the page goes on, and runs nothing of theirs."""

import re

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from kvmkit.errors import Unsupported
from kvmkit.forms.console import _library
from tests.browser.lab import ROOT, Server, in_front, open_runbook, run

# The page's part of a console with what ipywidgets gives it, and a kernel that keeps what was said and hears
# what is typed: any bytes can be said at once, and the page has nothing else to do.
PAGE = """async ([code, library]) => {
    const load = (text) => import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
    const { default: console } = await load(code);
    const encoder = new TextEncoder();
    const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    window.kernel = { said: new Uint8Array(0), heard: [], listeners: [], answerer: "" };
    kernel.tell = (message, bytes) => kernel.listeners.forEach((told) => told(message, [view(bytes)]));
    kernel.say = (text) => {
        const bytes = text instanceof Uint8Array ? text : encoder.encode(text), start = kernel.said.length;
        kernel.said = new Uint8Array([...kernel.said, ...bytes]);
        kernel.tell({ kind: "output", start }, bytes);
    };
    kernel.hear = (message) => {
        const end = kernel.said.length;
        if (message.kind === "library") kernel.tell({ kind: "library" }, encoder.encode(library));
        else if (message.kind === "view")
            kernel.tell({ kind: "replay", view: message.view, end }, kernel.said.slice(-(2 ** 18)));
        else if (message.kind === "answers") kernel.answerer = message.view;
        else if (message.view === kernel.answerer) kernel.heard.push(message.text);
    };
    const state = { state: "attached", title: "web1", why: "", _fault: "" };
    const model = {
        get: (name) => state[name],
        on: (names, told) => names === "msg:custom" && kernel.listeners.push(told),
        off: (names, told) => (kernel.listeners = kernel.listeners.filter((one) => one !== told)),
        send: (message) => setTimeout(() => kernel.hear(message)),
    };
    window.show = async (where) => {
        const el = document.createElement("div");
        el.style.height = "300px";
        where?.append(el);
        el.dispose = await console.render({ model, el });
        return el;
    };
}"""


@pytest.fixture
def guest(page: Page) -> Page:
    """A page in which views of one console can be shown, and a guest that says anything."""
    try:
        library = _library().decode()
    except Unsupported as error:
        pytest.skip(str(error))
    page.route("http://console.invalid/", lambda route: route.fulfill(body="<p>", content_type="text/html"))
    page.goto("http://console.invalid/")
    page.evaluate(PAGE, [(ROOT / "kvmkit/forms/console.js").read_text(encoding="utf-8"), library])
    page.evaluate("async () => { window.first = await show(document.body); }")
    return page


SAYS = {
    "repeats": "x\x1b[2147483647b",
    "repeats a long characte": "e" + "\u0301" * 50_000 + "\x1b[80b" * 1000,
    "accents apart": ("\u0301" * 7 + "\u200d" * 7 + "\u1160" * 7) * 10_000,
    "puts lines in": "\x1b[2147483647L\x1b[2147483647M\x1b[2147483647S\x1b[2147483647T",
    "puts lines in without an end": "\x1b[9999L" * 40_000,
    "tabs": "\x1b[2147483647I\x1b[2147483647Z",
    "columns": "\x1b[2147483647@\x1b[2147483647P\x1b[2147483647X\x1b[2147483647 @\x1b[2147483647 A",
    "eight bits": "x\x9b2147483647b\x9b2147483647L",
    "colours": "\x1b]4;0;#ffffff\x07\x1b]10;#ffffff\x07\x1b]11;#000000\x07\x1b]104\x07" * 5_000,
    "all anew": "\x1bc" * 5_000,
    "a string without an end": "\x1b]0;" + "a" * 200_000 + "\x07",
}
SHOWS = """
import kvmkit as kk
from kvmkit.forms.menu import Entry, Menu
from kvmkit.plan import Plan, Step
from kvmkit.report import Check, Report, Status
from kvmkit.tables import Table

names = ["<img src=x onerror=window.hostile=1>", "[x](javascript:window.hostile=1)", "\\x1b]52;c;bHM=\\x07"]
names += ["`` <img src=x onerror=window.hostile=1>"]
names += ["$\\\\href{javascript:window.hostile=1}{x}$ $$x$$ \\\\(x\\\\)"]
table = Table({"path": names}, index=names)
report = Report("check", "test:///default", [Check(name, Status.FAIL, name, fix=name) for name in names])
steps = tuple(Step(action="x", title=name, undo=name) for name in names)
plan = Plan(uri="test:///default", title=names[0], steps=steps, notes=names, shown=dict(zip(names, names)))
menu = Menu("\\n".join(names), tuple(Entry(1, "list", "50-manage-vms", name) for name in names))
form = kk.form(kk.VMSpec, name=" ".join(names))
"""


def book(server: Server, *cells: str) -> None:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    nbformat.write(made, server.folder / "notebooks/hostile.ipynb")


def cell(page: Page, place: int, code: str = "") -> Locator:
    """Run a cell, if need be with other code, and give its output."""
    page.evaluate(
        """([place, code]) => {
            const book = window.jupyterapp.shell.currentWidget.content;
            book.deselectAll();
            book.activeCellIndex = place;
            if (code) book.activeCell.model.sharedModel.setSource(code);
        }""",
        [place, code],
    )
    run(page, "notebook:run-cell")
    return in_front(page).locator(".jp-CodeCell").nth(place).locator(".jp-OutputArea-output")


@pytest.mark.parametrize("what", SAYS.values(), ids=SAYS)
def test_whatever_a_guest_says_its_console_and_the_page_go_on(guest: Page, what: str) -> None:
    rows = guest.locator(".xterm-rows").first
    guest.evaluate(r"said => { kernel.say(said); kernel.say('\x1b[m\x1b[!p\r\nalive\r\n'); }", what)
    expect(rows).to_contain_text("alive")

    # What can be typed arrives, also after a replay, of which the guest hears nothing.
    guest.evaluate(
        "async () => { first.dispose(); first.remove(); window.first = await show(document.body); }"
    )
    expect(rows).to_contain_text("alive")
    guest.evaluate("kernel.heard.length = 0")
    guest.locator(".xterm-screen").first.click()
    guest.keyboard.type("q")
    guest.wait_for_function("kernel.heard.length")
    assert guest.evaluate("kernel.heard") == ["q"]


def test_one_of_several_views_answers_what_a_guest_asks(guest: Page) -> None:
    # One that is in the page, one that came later and one that is not in it, as after "open, Run All" in Lab.
    guest.evaluate("async () => { window.other = await show(document.body); await show(null); }")
    screens = guest.locator(".xterm-screen")
    expect(screens).to_have_count(2)
    for place in (0, 1, 0):
        screens.nth(place).click()
        guest.evaluate("kernel.heard.length = 0; kernel.say('\\x1b[6n')")
        guest.wait_for_function("kernel.heard.length")
        guest.keyboard.type("q")  # behind all answers
        guest.wait_for_function("kernel.heard.at(-1) === 'q'")
        assert [text[-1] for text in guest.evaluate("kernel.heard")] == ["R", "q"]


def test_what_got_lost_on_its_way_is_asked_for_again(guest: Page) -> None:
    guest.evaluate(r"kernel.say('begun\r\n')")
    expect(guest.locator(".xterm-rows")).to_contain_text("begun")
    guest.evaluate(r"""() => {
        const { tell } = kernel;
        kernel.tell = () => {};
        kernel.say('lost\r\n');
        kernel.tell = tell;
        kernel.say('after\r\n');
    }""")

    expect(guest.locator(".xterm-rows")).to_contain_text(re.compile("begun.*lost.*after"))


def test_a_terminal_that_breaks_is_made_anew(guest: Page) -> None:
    """By an error that xterm.js does not have today: a handler of its own that throws."""
    guest.evaluate(r"""() => {
        const { write } = kvmkitTerminal.xterm.Terminal.prototype;
        kvmkitTerminal.xterm.Terminal.prototype.write = function (text, done) {
            const fail = () => { throw Error('broken'); };
            if (text.includes('break it')) this.parser.registerEscHandler({ final: 'y' }, fail);
            return write.call(this, text, done);
        };
        kernel.say('break it\x1by');
        kernel.say('alive\r\n');
    }""")

    expect(guest.locator(".xterm-rows")).to_contain_text("alive")


def test_names_of_a_hostile_host_are_text_on_a_page(server: Server, lab_page: Page) -> None:
    page = lab_page
    book(server, SHOWS, "table", "report", "plan", "menu", "form", "raise kk.NotFound(' '.join(names))")
    open_runbook(page, "hostile")
    for place in range(7):
        shown = cell(page, place)
        if place:
            expect(shown.first).to_contain_text("window.hostile=1")
    # A formula of ours shows that this page has MathJax, and when it is done.
    shown = cell(page, 0, "from IPython.display import HTML\nHTML('$x^2$')")
    expect(shown.locator("mjx-container")).to_have_count(1)

    assert page.locator("mjx-container").count() == 1
    assert page.locator(".jp-OutputArea-output a[href*=javascript]").count() == 0
    assert page.evaluate("window.hostile") is None
