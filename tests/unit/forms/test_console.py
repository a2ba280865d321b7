"""What the page asks of a console, and how a person sees that it cannot be done."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import kvmkit as kk
from kvmkit.forms.console import Console


class Session(SimpleNamespace):
    """No VM: only what the page and the console say to each other is of interest."""

    def __init__(self) -> None:
        super().__init__(host=kk.connect("qemu:///system"), name="web1\x9b2J", sent=[])

    def open(
        self, came: Callable[[bytes], None], changed: Callable[[str, str], None], *, force: bool
    ) -> None:
        self.came, self.changed = came, changed

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def attach(self) -> None:
        raise kk.Busy("somebody else has it")

    def close(self) -> None:
        pass


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def console(session: Any) -> Iterator[Console]:
    console = Console(session, force=False)
    yield console
    console.close()


def test_an_error_in_what_the_page_asks_for_is_seen_until_something_works(
    console: Console, session: Session
) -> None:
    console._handle_custom_msg({"kind": "answers", "view": "a"}, [])
    key = {"kind": "type", "text": "\r", "view": "a"}
    console._handle_custom_msg(key, [])
    assert console.get_state("_fault") == {"_fault": "Busy: somebody else has it"}

    session.attach = lambda: None  # type: ignore[method-assign]
    console._handle_custom_msg(key, [])
    assert console.get_state("_fault") == {"_fault": ""}


def test_of_several_views_the_one_that_was_used_last_answers(console: Console, session: Session) -> None:
    session.changed("attached", "")
    for event in ("view a", "view b", "a types", "b types", "answers b", "a types", "b types", "answers a"):
        match event.split():
            case ["view" | "answers" as kind, view]:
                console._handle_custom_msg({"kind": kind, "view": view}, [])
            case [view, _]:
                console._handle_custom_msg({"kind": "type", "text": f"{event};", "view": view}, [])
    console._handle_custom_msg({"kind": "type", "text": "a types again", "view": "a"}, [])

    assert session.sent == [b"b types;", b"a types again"]


def test_nothing_that_is_said_while_a_view_is_told_what_was_said_before_is_lost(
    console: Console, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread of the session and that of the page come as they like: what is sent is in one order."""
    held: list[bool] = []
    monkeypatch.setattr(console, "send", lambda *_, **__: held.append(console._lock.locked()))
    session.came(b"said")
    console._handle_custom_msg({"kind": "view", "view": "a"}, [])

    assert held == [True, True]


def test_a_vms_name_acts_nowhere(console: Console, session: Session) -> None:
    session.changed("lost", "web1\x1b[2J does not answer")

    assert console.title == r"Console of VM web1\x9b2J on qemu:///system"
    assert console.why == r"web1\x1b[2J does not answer"
    session.came("\x1b]52;c;bHM=\x07a\x9b2Jb\u202ec".encode())
    assert console.transcript == r"ab\u202ec"
