"""console: a VM's serial console as a terminal in the page."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from kvmkit.errors import Unsupported, WrongState
from kvmkit.forms.shown import seen
from kvmkit.host import Host
from kvmkit.safe import html, one_line, page, plain
from kvmkit.vm.session import Session, State
from kvmkit.vm.transcript import readable

__all__ = ["Console", "console"]

KEPT = 2**20
"""Bytes of what a VM said that a console remembers."""
REPLAYED = 2**18
"""Bytes of it that a page which was loaded anew shows."""

_consoles: dict[tuple[str, str], Console] = {}


def console(host: Host, name: str, *, force: bool = False) -> Console:
    """Show a VM's serial console: a terminal to type in, as ``virsh console`` is.

    It goes on when the VM reboots, comes back when a VM that was off starts, and connects again to a
    host that was lost.  In the terminal all keys go to the VM, Ctrl-C too; Ctrl-] gives the keyboard
    back to the notebook.

    Parameters
    ----------
    host, name
        Where, and which VM.
    force
        Whether to take the console from another reader: one at a time can have it.

    Returns
    -------
    Console
        The same one for the same VM in one kernel; shown twice, it is two views of one session.

    Raises
    ------
    Unsupported
        On the practice host, and for a VM without a serial console.
    NotFound, WrongState
        There is no such VM; it is off.
    Busy
        Somebody else has the console.
    HostUnavailable, LibvirtFailed
        The host does not answer; libvirt's own words.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.console(kk.connect("test:///default"), "demo")
    Traceback (most recent call last):
      ...
    kvmkit.errors.Unsupported: a VM of the practice host runs no system, so there is nobody at its \
console; it takes a real host, such as qemu:///system
    """
    known = _consoles.get((host.uri, name))
    if known is not None:
        if known.state == "attached":
            return known
        known.close()
    session = Session(host, name)
    _library()
    shown = Console(session, force=force)
    _consoles[host.uri, name] = shown
    return shown


class Console(anywidget.AnyWidget):
    """The widget that :func:`console` makes.

    Attributes
    ----------
    state : str
        ``attached``, ``off`` (the VM), ``taken`` (by another reader), ``lost`` (the host) or ``left``.
    why : str
        What the page says of that; empty while it is attached.
    """

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")
    title = traitlets.Unicode().tag(sync=True)
    state = traitlets.Unicode().tag(sync=True)
    why = traitlets.Unicode().tag(sync=True)
    _fault = traitlets.Unicode().tag(sync=True)

    def __init__(self, session: Session, *, force: bool) -> None:
        self._session: Session | None = session
        self._key = session.host.uri, session.name
        self._lock = threading.Lock()
        self._said = bytearray()
        self._total = 0
        self._answerer = ""
        where = session.host.uri.partition("?")[0]  # a key file's name would fill the line
        super().__init__(title=one_line(f"Console of VM {session.name} on {where}"))
        self.on_msg(seen(self._asked, self._show_fault))
        try:
            session.open(self._came, self._changed, force=force)
        except BaseException:
            self.close()
            raise

    @property
    def transcript(self) -> str:
        """What was said here, as text without colours: at most the last MiB, what was typed as its echo."""
        with self._lock:
            said = bytes(self._said)
        return readable(said)

    def type(self, text: str) -> None:
        r"""Type at the console; ``\n`` is the key Enter.

        Parameters
        ----------
        text
            What to type: ``"\x03"`` is Ctrl-C.

        Raises
        ------
        WrongState
            The VM is off, or the host lost.
        """
        if self._session is None:
            raise WrongState(f"{self.title} is closed; open it again with kk.console")
        self._session.send(text.replace("\n", "\r").encode())

    def disconnect(self) -> None:
        """Give the console up, so that another reader can have it; Enter in the page connects again."""
        if self._session is not None:
            self._session.leave()

    def close(self) -> None:
        """Give the console up for good, and take it out of the page."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
        if _consoles.get(self._key) is self:
            del _consoles[self._key]
        super().close()

    def _came(self, data: bytes) -> None:
        with self._lock:
            start = self._total
            self._total += len(data)
            self._said += data
            del self._said[:-KEPT]
            # Sent in the order in which it is counted: what overtakes a replay would be lost to its view.
            self.send({"kind": "output", "start": start}, buffers=[data])

    def _changed(self, state: State, why: str) -> None:
        self.why = plain(why)
        self.state = state

    def _show_fault(self, text: str) -> None:
        self._fault = plain(text)

    def _asked(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        """Do what a view of the page asks for."""
        session = self._session
        if message["kind"] == "library":
            self.send({"kind": "library"}, buffers=[_library()])
        elif message["kind"] == "view":
            # A page that is loaded again, or a second view, begins with what was said before.
            with self._lock:
                said, end = bytes(self._said[-REPLAYED:]), self._total
                self.send({"kind": "replay", "view": message["view"], "end": end}, buffers=[said])
        elif message["kind"] == "answers":
            self._answerer = message["view"]
        elif session is None:
            return
        elif message["kind"] == "leave":
            session.leave()
        elif message["view"] != self._answerer:
            return  # every view answers what a guest asks of a terminal, and one answer is enough
        elif self.state == "attached":
            with contextlib.suppress(WrongState):  # it ended just now, which the page is about to be told
                session.send(message["text"].encode())
        elif message["text"] == "\r":
            session.attach()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return data | {"text/html": page(html("<pre>{}</pre>", repr(self)))}, metadata

    def __repr__(self) -> str:
        return one_line(f"{self.title}: {self.state}")


@functools.cache
def _library() -> bytes:
    """Give xterm.js, its addon and its style as one module, as the page cannot import files.

    Raises
    ------
    Unsupported
        They are not in this installation.
    """
    folder = Path(__file__).with_name("xterm")
    try:
        xterm, addon, style = (
            (folder / name).read_text(encoding="utf-8") for name in ("xterm.js", "addon-fit.js", "xterm.css")
        )
    except FileNotFoundError:
        raise Unsupported(
            "the terminal (xterm.js) is not in this installation of kvmkit: run tools/get-xterm in its "
            "folder, which needs an npm registry; until then kk.console_log(host, name) shows what a VM says"
        ) from None
    exported = {"xterm": _value(xterm), "addon": _value(addon), "style": json.dumps(style)}
    return "".join(f"export const {name} = {value};\n" for name, value in exported.items()).encode()


def _value(commonjs: str) -> str:
    """Make a CommonJS module an expression."""
    before = "(() => { const module = { exports: {} }, exports = module.exports;"
    return f"{before}\n{commonjs}\nreturn module.exports; }})()"
