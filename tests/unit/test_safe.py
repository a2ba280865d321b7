"""What others name is shown, and acts nowhere: not on a page, not on a terminal, not in a formula."""

import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

import kvmkit as kk
from kvmkit.bridge.watch import Pause
from kvmkit.drawing import Picture, text
from kvmkit.forms.menu import Entry, Menu
from kvmkit.forms.shown import copyable, message
from kvmkit.learn.guest import GuestRun
from kvmkit.learn.process import QemuProcess
from kvmkit.plan import Plan, Step
from kvmkit.progress import note, tell, telling
from kvmkit.report import Check, Report, Status
from kvmkit.runs.record import Run
from kvmkit.safe import indented, one_line, plain
from kvmkit.vm.facts import frame

ATTACKS = {
    "html": "<img src=x onerror=alert(1)>",
    "attribute": "' onmouseover='alert(1)\" onmouseover=\"alert(1)",
    "end": "</textarea></pre></details></code></td><script>alert(1)</script>",
    "template": "{0} {} {self} %s",
    "markdown": "[x](javascript:alert(1)) ![](https://example.invalid/x)",
    "code": "`` `[x](javascript:alert(1))` ``",
    "mathjax": r"$\href{javascript:alert(1)}{x}$ $$x$$ \(x\) \begin{align}x\end{align}",
    "clipboard": "\x1b]52;c;bHM=\x07",
    "eight bits": "\x9b2J\x9d52;c;bHM=\x9c",
    "title": "\x1b]0;x\x1b\\",
    "carriage return": "bad\rgood",
    "backspace": "bad\b\b\bgood",
    "direction": "web\u202e1bew\u2066x\u2069",
    "no width": "we\u200bb1\ufeff\u2060\u00ad",
    "no ink": "web1\u3164\u115f\ufe00\U000e0100\u034f\u2800",
    "tags": "web1\U000e0041\U000e007f",
    "line": "web1\nPASS  all: is well\n  1. do nothing",
    "other lines": "web1\x0bPASS\x0cPASS\x85PASS\u2028PASS\u2029PASS\x1cPASS",
    "no text": "web\udcff\ud800",
}
KINDS = [f"_repr_{kind}_" for kind in ("html", "markdown", "latex", "svg", "javascript", "json")]
KNOWN = {"div", "p", "b", "i", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "style", "span"}
KNOWN |= {"details", "summary", "pre", "code", "img", "a", "br"}
HOST = kk.connect("test:///default")


def shows(name: str) -> dict[str, Any]:
    """Everything that shows itself, with a name that somebody else chose."""
    step, lost = Step(action="x", title=name, undo=name), Step(action="x", title=name, lost=name)
    # Heads and pictures are put together of lines, by who knows what is a name in them.
    line = one_line(name)
    told: Any = {"title": name, "notes": (name,), "shown": {name: name}, "picture": line, "foot": name}
    plan = Plan(uri=name, steps=(step, lost), **told)
    table = frame([(name, name)], {"name": "str", "path": "str"}).set_index("name")
    return {
        "plan": plan,
        "empty plan": Plan(uri=name, title=name, steps=()),
        "report": Report(name, name, [Check(name, Status.FAIL, name, expected=name, why=name, fix=name)]),
        "menu": Menu(line, (Entry(1, "list the VMs", "50-manage-vms", name),)),
        "table": table,
        "column": table["path"],
        "row": table.iloc[0],
        "turned table": table.T,
        "picture": Picture("<svg/>", line),
        "answers": Pause(name, (True, False)),
        "process": QemuProcess(name, name, table, (name,), name, name),
        "guest": GuestRun((), name, name),
        "run": Run(name, name, (name,), Path(name)),
        "host": kk.Host(name, runner=HOST),  # type: ignore[arg-type]  # is asked nothing
        "form": kk.form(kk.VMSpec, name=name.encode("utf-8", "replace").decode()),
        "gate": kk.apply_form(plan),
        "error": kk.NotFound(name),
        "error of fields": kk.InvalidSpec({name: name}),
        "error of a command": kk.CommandFailed([name], 1, "", name, name),
        "error that is a time-out": kk.WaitTimeout(name),
        "error of a connection": kk.HostUnavailable(name),
    }


class Elements(HTMLParser):
    """The elements of a page, and whether MathJax would look at a text."""

    def __init__(self, shown: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, str]] = []
        self.inside: list[str] = []
        self.formulas: list[str] = []
        self.feed(shown)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen += [(tag, name) for name, _ in attrs] or [(tag, "")]
        if tag not in ("img", "br"):
            self.inside.append(f"{tag} {dict(attrs).get('class') or ''}")

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop().startswith(f"{tag} ")

    def handle_data(self, data: str) -> None:
        ignored = any("tex2jax_ignore mathjax_ignore" in element for element in self.inside)
        if data.strip() and not ignored:
            self.formulas.append(data)


def acts(shown: str) -> list[str]:
    """Characters that a terminal obeys, or that nobody sees."""
    return [c for c in shown if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@pytest.mark.parametrize("name", ATTACKS.values(), ids=ATTACKS)
def test_no_name_acts_on_a_terminal(name: str) -> None:
    for what, thing in shows(name).items():
        for shown in (f"{thing}", repr(thing)):
            assert not acts(shown), what
            shown.encode()  # else a terminal could not show it at all


@pytest.mark.parametrize("name", ATTACKS.values(), ids=ATTACKS)
def test_no_name_is_markup_on_a_page(name: str) -> None:
    for (what, thing), harmless in zip(shows(name).items(), shows("harmless").values(), strict=True):
        kinds = {kind for kind in KINDS if getattr(thing, kind, lambda: None)() is not None}
        assert kinds <= {"_repr_html_"}, what
        pages = [thing._repr_html_()] if hasattr(thing, "_repr_html_") else []
        if hasattr(thing, "_repr_mimebundle_"):
            pages.append(thing._repr_mimebundle_()["text/html"])
        for shown in filter(None, pages):
            assert not acts(shown), what
            found = Elements(shown)
            expected = harmless._repr_html_() if pages == [shown] and hasattr(thing, "_repr_html_") else None
            if expected and "\n" not in name:
                assert found.seen == Elements(expected).seen, what
            assert {tag for tag, _ in found.seen} <= KNOWN, what
            assert not [tag for tag, attribute in found.seen if attribute.startswith("on")], what
            assert not found.formulas, what


@pytest.mark.parametrize("name", ATTACKS.values(), ids=ATTACKS)
def test_no_name_is_markup_in_a_widget(name: str) -> None:
    for shown in (message(name, "color:red"), copyable(name, name)):
        assert not acts(shown)
        assert {tag for tag, _ in Elements(shown).seen} <= {"span", "details", "summary", "textarea"}
        assert not [a for _, a in Elements(shown).seen if a.startswith("on")]


@pytest.mark.parametrize("name", ATTACKS.values(), ids=ATTACKS)
def test_no_name_breaks_a_picture_or_is_markup_in_it(name: str) -> None:
    assert etree.tostring(text(0, 0, name)).count(b"<") == 2


def test_no_name_poses_as_a_line_of_a_report_or_a_plan() -> None:
    for what, thing in shows(ATTACKS["line"]).items():
        lines = repr(thing).splitlines()
        assert not [line for line in lines if line.startswith(("PASS", "  1. do"))], what


def test_a_plan_of_an_old_journal_is_safe_too() -> None:
    plan = Plan.model_validate_json('{"uri": "x", "title": "\\u001b[2J", "steps": [], "notes": ["\\u202e"]}')
    assert (plan.title, plan.notes) == (r"\x1b[2J", (r"\u202e",))


def test_progress_is_told_in_lines_without_orders() -> None:
    told: list[str] = []
    with telling(told.append):
        tell("unpacking \x1b[2J\nPASS")
        note("3 s", "\x9b2J")

    assert told == [r"unpacking \x1b[2J\nPASS", r"3 s: \x9b2J"]


def test_an_error_in_a_notebook_is_without_orders() -> None:
    shown = kk.NotFound("no VM \x1b]52;c;bHM=\x07\nNotFound: all is well")._render_traceback_()
    assert shown == ["NotFound: no VM \\x1b]52;c;bHM=\\x07\n      NotFound: all is well"]


def test_a_name_that_would_be_a_formula_in_a_label_need_not_be_typed() -> None:
    for name, word in {"web1": "web1", "$x$": "", r"\(x\)": "", "web\u200b1": "", "w\u00ebb": ""}.items():
        lost = Step(action="vm-undefine", title="x", lost="it", args={"name": name})
        plan = Plan(uri="test:///default", title="x", steps=(lost,))
        assert kk.apply_form(plan)._word == (word or plan.id)


@given(st.text())
def test_whatever_a_text_is_it_is_shown_and_acts_not(name: str) -> None:
    assert not acts(plain(name))
    assert plain(plain(name)) == plain(name)
    assert not set(one_line(name)) & set("\n\t\r")
    assert len(indented(name).splitlines()) <= name.count("\n") + 1


def test_what_people_write_stays_as_it_is() -> None:
    words = "Büro-VM 1 (\u03b1, \u65e5\u672c, \u05e2\u05d1\u05e8, \U0001f5a5): 3 µs … <ok> & $x$\n\tand so on"
    assert plain(words) == words
