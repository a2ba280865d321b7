"""What all forms share: how they are shown, and how they tell whether a person is there."""

from __future__ import annotations

import os
from html import escape
from typing import Any

import ipywidgets as widgets
from IPython.core.getipython import get_ipython

__all__ = ["Shown", "message", "person_is_there"]

# Okabe and Ito's colours, as in reports.
RED, GREY = "#D55E00", "#808080"


class Shown(widgets.VBox):  # type: ignore[misc]  # ipywidgets ships no types
    """A widget that also says what it shows as text and HTML, for pages and tests without a kernel."""

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        shown = dict(super()._repr_mimebundle_(**kwargs))
        return shown | {"text/plain": repr(self), "text/html": self._html()}

    def _html(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"

    def __repr__(self) -> str:
        raise NotImplementedError


def message(text: str, colour: str = "inherit") -> str:
    """Give one line of text as HTML; whatever is in it, it stays text."""
    return f"<span style='color:{colour};line-height:1.4'>{escape(text)}</span>"


def person_is_there() -> bool:
    """Tell whether somebody can click; to be asked in the cell, as a callback has another parent.

    Notebook and Lab send ``allow_stdin``; papermill, nbval and nbconvert do not
    (https://jupyter-client.readthedocs.io/en/stable/messaging.html#execute). Voila does not
    either, and has a person.
    """
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        return True
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    return bool(kernel.get_parent().get("content", {}).get("allow_stdin"))
