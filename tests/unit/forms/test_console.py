"""What the page asks of a console, and how a person sees that it cannot be done."""

from types import SimpleNamespace
from typing import Any

import kvmkit as kk
from kvmkit.forms.console import Console


def test_an_error_in_what_the_page_asks_for_is_seen_until_something_works() -> None:
    def attach() -> None:
        raise kk.Busy("somebody else has it")

    # No VM: only what becomes of an error is of interest.
    session: Any = SimpleNamespace(
        host=kk.connect("qemu:///system"),
        name="web1",
        open=lambda *_, **__: None,
        close=lambda: None,
        attach=attach,
    )
    console = Console(session, force=False)
    key = {"kind": "type", "text": "\r", "view": "", "focused": True}
    console._handle_custom_msg(key, [])
    assert console.get_state("_fault") == {"_fault": "Busy: somebody else has it"}

    session.attach = lambda: None
    console._handle_custom_msg(key, [])
    assert console.get_state("_fault") == {"_fault": ""}
    console.close()
