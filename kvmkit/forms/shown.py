"""What all forms share: how they are shown, whether a person is there, and that errors are seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets
from IPython.core.getipython import get_ipython
from markupsafe import Markup

from kvmkit.apply import in_voila
from kvmkit.safe import html, page

__all__ = ["Guarded", "Shown", "copyable", "message", "person_is_there", "seen"]

# By the text's own colour the contrast is above 4.5 in a light and in a dark page, as WCAG 2.1 wants.
RED, FAINT = "color:color-mix(in srgb,#D55E00 75%,currentColor)", "opacity:.75"
NO_SHORTCUTS = html("data-lm-suppress-shortcuts='true'")
"""Has Lab leave an element's keys to it (@lumino/commands): in command mode Enter and Ctrl-A are its own."""


class Guarded(widgets.VBox):  # type: ignore[misc]  # ipywidgets ships no types
    """Widgets whose callbacks' errors are seen in a line below them: Jupyter only logs those."""

    children: Any

    def __init__(self, children: Sequence[widgets.Widget], **more: Any) -> None:
        self._fault = widgets.HTML().add_class("kvmkit-fault")
        self._busy = threading.Lock()
        super().__init__(children, **more)

    def _seen(self, callback: Callable[..., object]) -> Callable[..., None]:
        """Give the callback to hand to a widget, in place of one whose error nobody would see."""
        return seen(callback, self._show_fault)

    def _show_fault(self, text: str) -> None:
        fault = message(text, RED) if text else ""
        if fault != self._fault.value:
            self._fault.value = fault
            shown = tuple(child for child in self.children if child is not self._fault)
            self.children = (*shown, self._fault) if fault else shown

    def _in_background(self, work: Callable[[], object], say: Callable[[], object] = lambda: None) -> None:
        """Do work in a thread, so that the page goes on answering, but first say so; not beside other work.

        A double click comes as two callbacks, which may run at once: a disabled button is no guard.
        """
        if not self._busy.acquire(blocking=False):
            return
        say()

        def run() -> None:
            try:
                self._seen(work)()
            finally:
                self._busy.release()

        threading.Thread(target=run, name=type(self).__name__).start()


class Shown(Guarded):
    """A widget that also says what it shows as text and HTML, for pages and tests without a kernel."""

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        shown = dict(super()._repr_mimebundle_(**kwargs))
        return shown | {"text/plain": repr(self), "text/html": self._html()}

    def _html(self) -> Markup:
        return page(html("<pre>{}</pre>", repr(self)))

    def __repr__(self) -> str:
        raise NotImplementedError


def seen(callback: Callable[..., object], show: Callable[[str], None]) -> Callable[..., None]:
    """Wrap a callback: `show` is told its error, as Jupyter only logs that; nothing, if it works."""

    def call(*arguments: Any) -> None:
        fault = ""
        try:
            callback(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, a person is to see it
            fault = f"{type(error).__name__}: {error}"
        show(fault)

    return call


def message(text: str, style: str = "") -> Markup:
    """Give text as HTML; whatever is in it, it stays text."""
    # Within a line of the widget's, 28 pixels high, its own would be at least as high.
    return html("<span style='display:inline-block;line-height:1.4;{}'>{}</span>", style, text)


def copyable(title: str, text: str, *, unfolded: bool = False) -> Markup:
    """Give text under a title, to be folded and copied by mouse or by keyboard alone (Tab, Ctrl-A, Ctrl-C).

    A read-only field, as Ctrl-A in any other element would select the page or, in Lab, its cells.
    """
    style = "width:100%;box-sizing:border-box;font-family:monospace;color:inherit;background:inherit"
    rows = min(20, text.count("\n") + 1 + len(text) // 120)
    return html(
        "<details{}><summary {}>{}</summary>"
        "<textarea readonly rows='{}' style='{}' aria-label='{}' {}>\n{}</textarea></details>",
        *(" open" * unfolded, NO_SHORTCUTS, title, rows, style, title, NO_SHORTCUTS, text),
    )


def person_is_there() -> bool:
    """Tell whether somebody can click; to be asked in the cell, as a callback has another parent.

    Notebook and Lab send ``allow_stdin``; papermill, nbval and nbconvert do not
    (https://jupyter-client.readthedocs.io/en/stable/messaging.html#execute). Voila does not
    either, and has a person.
    """
    if in_voila():
        return True
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    return bool(kernel.get_parent().get("content", {}).get("allow_stdin"))
