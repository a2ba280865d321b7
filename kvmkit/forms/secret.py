"""A field for what must not be kept: page and kernel tell each other, and no widget's state has it.

A widget's state is written into notebooks, by papermill always and by JupyterLab and Notebook when a person
has it saved, and a page that is loaded anew reads it there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
from traitlets import Int, Unicode, observe

__all__ = ["Secret"]


class Secret(anywidget.AnyWidget):
    """A password, which nobody reads while it is typed, or a text of several lines.

    Attributes
    ----------
    description : str
        What is beside it.
    rows : int
        Lines of a text; 0: a password.
    value : str
        What it holds; never synchronised.
    """

    _esm = Path(__file__).with_suffix(".js")
    description = Unicode().tag(sync=True)
    rows = Int(0).tag(sync=True)
    value = Unicode()

    def __init__(self, **traits: Any) -> None:
        self._told = False
        super().__init__(**traits)

    def _handle_custom_msg(self, content: Any, _buffers: object) -> None:
        """Take what a page says; one that is loaded anew asks what there is."""
        typed = content.get("value") if isinstance(content, dict) else None
        if not isinstance(typed, str):
            self._set()
            return
        self._told = True  # whoever types goes on, and must not be given what was there before
        try:
            self.value = typed
        finally:
            self._told = False

    @observe("value")
    def _set(self, _change: object = None) -> None:
        if not self._told:
            self.send({"value": self.value})
