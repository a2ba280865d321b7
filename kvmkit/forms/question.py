"""A question that a person has a bounded time to answer, in the midst of an application."""

from __future__ import annotations

import threading
import time

import ipywidgets as widgets

from kvmkit.forms.shown import Guarded, message
from kvmkit.plan import Step

__all__ = ["Question"]


class Question(Guarded):
    """Text, countdown and two buttons; to be seen only while it is asked.

    Attributes
    ----------
    is_open : bool
        Whether it is being asked.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._answer = False
        self._answered = threading.Event()
        self._text = widgets.HTML().add_class("kvmkit-question")
        yes = widgets.Button(description="Confirm", button_style="success").add_class("kvmkit-yes")
        no = widgets.Button(description="Roll back", button_style="warning").add_class("kvmkit-no")
        yes.on_click(self._seen(lambda _: self._say(answer=True)))
        no.on_click(self._seen(lambda _: self.refuse()))
        super().__init__([self._text, widgets.HBox([yes, no])], layout={"display": "none"})

    def ask(self, step: Step, seconds: float) -> bool:
        """Ask what a step has to ask, in the thread that applies it; no answer in time is a no."""
        self._answer = False
        self._answered.clear()
        self.is_open, self.layout.display = True, ""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._text.value = message(f"{step.ask} {left:.0f} s are left; then the host puts itself back.")
            if self._answered.wait(min(1, left)):
                break
        self.is_open, self.layout.display = False, "none"
        return self._answer

    def refuse(self) -> None:
        """Answer no, if it is being asked."""
        self._say(answer=False)

    def _say(self, *, answer: bool) -> None:
        if self.is_open and not self._answered.is_set():
            self._answer = answer
            self._answered.set()
