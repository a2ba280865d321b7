"""screen: a VM's screen as a picture that follows it."""

from __future__ import annotations

import io
import threading
import time

import ipywidgets as widgets

from kvmkit.errors import KvmkitError
from kvmkit.forms.shown import Shown, message, person_is_there
from kvmkit.host import Host
from kvmkit.safe import one_line
from kvmkit.vm.console import screenshot

__all__ = ["Screen", "screen"]

EVERY = 1.0
"""Seconds from one picture to the next; longer where a picture takes as long."""


def screen(host: Host, name: str, *, seconds: float = 600) -> Screen:
    """Show a VM's screen, and what happens on it: a new picture every second.

    The page goes on answering meanwhile: work at the VM's console or with its buttons, and look on.
    Without a person (papermill, nbval) it is one picture.

    Parameters
    ----------
    host, name
        Where, and which VM.
    seconds
        After which it stops by itself. It also stops when the VM is off, and by its button, which goes
        on as well.

    Returns
    -------
    Screen
        To look at, not to type into: :func:`viewer_commands` are for that.

    Raises
    ------
    NotFound, WrongState, LibvirtFailed
        There is no such VM; it is off; it has no screen.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.screen(kk.connect("test:///default"), "demo")
    Screen of VM demo on test:///default
    """
    return Screen(host, name, seconds)


class Screen(Shown):
    """The widget that :func:`screen` makes."""

    def __init__(self, host: Host, name: str, seconds: float) -> None:
        self._host, self._name, self._seconds = host, name, seconds
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._image = widgets.Image(format="png", layout={"max_width": "100%"}).add_class("kvmkit-screen")
        self._button = widgets.Button(description="Stop").add_class("kvmkit-screen-button")
        self._button.on_click(self._seen(self._clicked))
        self._state = widgets.HTML().add_class("kvmkit-screen-state")
        self._look()
        person = person_is_there()
        above = [widgets.HBox([self._button, self._state])] if person else []
        super().__init__([*above, self._image])
        if person:
            self._begin()

    def stop(self) -> None:
        """Leave the picture as it is."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Stop, and take it out of the page."""
        self.stop()
        super().close()

    def _clicked(self, _button: object) -> None:
        if self._thread is not None and self._thread.is_alive():
            self.stop()
        else:
            self._begin()

    def _begin(self) -> None:
        self._stopped.clear()
        # Not to be waited for when the kernel ends.
        self._thread = threading.Thread(target=self._seen(self._follow), name=repr(self), daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        self._say("Stop", "follows the VM")
        why, end = "stopped", time.monotonic() + self._seconds
        try:
            while time.monotonic() < end:
                began = time.monotonic()
                self._look()
                if self._stopped.wait(max(EVERY, time.monotonic() - began)):
                    break
            else:
                why = f"stopped after {self._seconds:.0f} s"
        except KvmkitError as error:  # it is off, or gone, or the host is
            why = str(error)
        finally:
            self._say("Go on", why)

    def _look(self) -> None:
        data = io.BytesIO()
        screenshot(self._host, self._name).save(data, "png")
        if data.getvalue() != self._image.value:  # what stays as it is need not be sent again
            self._image.value = data.getvalue()

    def _say(self, button: str, text: str) -> None:
        self._button.description = button
        self._state.value = message(text)

    def __repr__(self) -> str:
        return one_line(f"Screen of VM {self._name} on {self._host.uri}")
