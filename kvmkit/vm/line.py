"""The stream of one open serial console; it ends with the VM's QEMU."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import libvirt

__all__ = ["Line"]

READ, WRITE = libvirt.VIR_STREAM_EVENT_READABLE, libvirt.VIR_STREAM_EVENT_WRITABLE
BROKEN = libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP
NOTHING_NOW = -2
"""What a stream that does not block answers instead of waiting."""
CHUNK = 2**16


class Line:
    """Bytes from and to a VM.  The event loop's thread alone reads and writes, and never waits.

    Parameters
    ----------
    domain
        A VM that runs, found by a connection that brings streams.
    flags
        libvirt's virDomainConsoleFlags.
    came, ended
        Told what the VM said, and that it will say no more, by the event loop: they must not block.

    Attributes
    ----------
    over
        Whether it has ended.
    """

    def __init__(
        self, domain: libvirt.virDomain, flags: int, came: Callable[[bytes], None], ended: Callable[[], None]
    ) -> None:
        self._came, self._ended = came, ended
        self._lock = threading.Lock()
        self._outgoing = bytearray()
        self._reading, self.over = True, False
        self._stream = domain.connect().newStream(libvirt.VIR_STREAM_NONBLOCK)
        domain.openConsole(None, self._stream, flags)
        self._stream.eventAddCallback(READ, self._happened, None)

    def send(self, data: bytes) -> None:
        """Have bytes written to the VM, in order, as it takes them."""
        with self._lock:
            self._outgoing += data
            self._ask()

    def read(self, on: bool) -> None:
        """Go on reading, or have the VM wait."""
        with self._lock:
            self._reading = on
            self._ask()

    def close(self) -> None:
        """Give the console up, so that another reader can have it."""
        with self._lock:
            self.over = True
        for end in (self._stream.eventRemoveCallback, self._stream.abort):
            with contextlib.suppress(libvirt.libvirtError):  # it may have ended before
                end()

    def _ask(self) -> None:
        if not self.over:
            wanted = READ * self._reading | WRITE * bool(self._outgoing)
            self._stream.eventUpdateCallback(wanted)

    def _happened(self, _stream: libvirt.virStream, events: int, _opaque: None) -> None:
        try:
            over = events & READ and self._receive()
            if events & WRITE:
                self._push()
        except libvirt.libvirtError:
            over = True
        if over or events & BROKEN:
            with self._lock:
                if self.over:
                    return
                self.over = True
                self._stream.eventUpdateCallback(0)
            self._ended()

    def _receive(self) -> bool:
        """Pass on one chunk, so that no VM keeps the loop from the others; say whether it has ended."""
        data: bytes | int = self._stream.recv(CHUNK)
        if isinstance(data, bytes):
            self._came(data)
        return data == b""

    def _push(self) -> None:
        with self._lock:
            sent = self._stream.send(bytes(self._outgoing[:CHUNK])) if self._outgoing else 0
            if sent != NOTHING_NOW:
                del self._outgoing[:sent]
            self._ask()
