"""Calls into libvirt that end: each is made by a thread of its own, which is left behind when it is late.

libvirt itself waits without a bound for what hangs on a host: a QEMU that is stopped, a pool whose folder
does not answer, an agent that is silent. Its daemon takes only a few calls of one connection at a time, so
a connection with a call that hangs is not used again; the one that is opened next answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar, cast

import libvirt

from kvmkit.errors import Stuck

__all__ = ["HANGS", "Calls", "called", "within"]

T = TypeVar("T")

SECONDS = 45
"""For a call; libvirt itself gives up on a VM that another call is busy with after 30."""
LONG = {
    "createXML": 3600,  # the room of a volume is taken from its pool, zero by zero on some file systems
    "finish": 600,  # what was sent is written to the disk
    "delete": 600,
    "create": 300,
    "build": 300,
    "refresh": 300,
    "interfaceAddresses": 10,  # an agent is asked, or the lease files
    "qemuAgentCommand": 20,
    "listAllStoragePools": 15,  # libvirt answers these from its memory, unless a pool hangs
    "storagePoolLookupByName": 15,
}
"""Seconds for calls that do more than answer, or that ask a guest."""
LOCAL = {"ID", "UUID", "UUIDString", "connect", "getName", "isAlive", "key", "name"}
LOCAL |= {"registerCloseCallback", "unregisterCloseCallback"}
"""What libvirt's library answers from its memory, without asking the host."""
KINDS = {
    libvirt.virDomain: "VM",
    libvirt.virStoragePool: "pool",
    libvirt.virStorageVol: "volume",
    libvirt.virNetwork: "network",
    libvirt.virNodeDevice: "device",
    libvirt.virDomainSnapshot: "snapshot",
    libvirt.virDomainCheckpoint: "checkpoint",
    libvirt.virStream: "a stream",
    libvirt.virConnect: "libvirt",
}
RESTART = "`systemctl restart libvirtd` there (or `virtqemud`, `virtstoraged`) frees it; VMs run on"
ADVICE = {
    "VM": "Its QEMU hangs, or a disk, server or guest agent that it waits for does: look at its process "
    "there; kk.destroy(host, NAME) cuts its power",
    "pool": f"Its folder, disk or server hangs: mend that there. Then {RESTART}",
    "volume": f"The folder, disk or server of its pool hangs: mend that there. Then {RESTART}",
    "a stream": "The host hangs, or the disk, pool or VM at its other end does: look at it there",
}
HANGS = f"Its daemon hangs, or a pool or VM that it looks at: kk.pools(host) names a pool. {RESTART}"

_left: dict[tuple[str, str, str], threading.Thread] = {}
"""Calls that were left behind, by host, thing and what is asked: a second one would take a place, too."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """Make a call that may wait for ever, in a thread that is left behind then.

    Raises
    ------
    TimeoutError
        It has not come back in that time.
    """
    return _begun(call)[1].result(seconds)


def _begun(call: Callable[[], T]) -> tuple[threading.Thread, Future[T]]:
    answer: Future[T] = Future()

    def ask() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
            answer.set_exception(error)

    # No executor: its threads are waited for when the process ends, these are not.
    thread = threading.Thread(target=ask, name="a call into libvirt", daemon=True)
    thread.start()
    return thread, answer


class Calls:
    """Makes the calls of one connection, one at a time.

    Parameters
    ----------
    raw
        libvirt's connection.
    uri
        The host's.

    Attributes
    ----------
    connection
        The same, of which each call ends, as each of what it finds.
    """

    def __init__(self, raw: Any, uri: str) -> None:
        self.raw, self.uri = raw, uri
        self.connection = cast("libvirt.virConnect", self.wrap(raw))
        self._left: threading.Thread | None = None

    @property
    def stuck(self) -> bool:
        """Whether a call was left behind on this connection."""
        return self._left is not None

    def make(self, thing: Any, method: str, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Make one call; what it gives makes its own calls in the same way.

        Raises
        ------
        Stuck
            It has not come back in time; names the thing.
        """
        kind, name = _named(thing)
        seconds = LONG.get(method, SECONDS)
        key = self.uri, f"{kind} {name}", f"{method} {args}"
        earlier = self._left or _left.get(key)
        if earlier and earlier.is_alive():
            raise Stuck(self._stuck(kind, name, "an earlier call still waits for it", method))
        thread, answer = _begun(partial(call, *map(_raw, args), **options))
        try:
            return self.wrap(answer.result(seconds))
        except TimeoutError:
            if answer.done():  # it has come just now
                return self.wrap(answer.result())
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_OPERATION_TIMEOUT:
                raise
            # libvirt itself waits 30 seconds for a VM that another call is busy with.
            raise Stuck(self._stuck(kind, name, error.get_error_message(), method)) from error
        _left[key] = self._left = thread
        raise Stuck(self._stuck(kind, name, f"nothing came in {seconds:g} s", method))

    def wrap(self, found: Any) -> Any:
        """Have what libvirt gave make its calls here, too: a thing, or a list or tuple of them."""
        if isinstance(found, tuple(KINDS)):
            return Bounded(self, found)
        if isinstance(found, list | tuple):
            return type(found)(map(self.wrap, found))
        return found

    def _stuck(self, kind: str, name: str, what: str, method: str) -> str:
        advice = ADVICE.get(kind, HANGS).replace("NAME", repr(name))
        return (
            f"{kind} {name}".rstrip() + f" on {self.uri} does not answer: {what} (libvirt's {method}). "
            f"{advice}. What was asked for may still be done then."
        )


class Bounded:
    """A thing of libvirt's whose calls end."""

    def __init__(self, calls: Calls, raw: Any) -> None:
        self.calls, self.raw = calls, raw

    def __getattr__(self, name: str) -> Any:
        """Give its method, which ends."""
        found = getattr(self.raw, name)
        if name in LOCAL:
            return lambda *args: self.calls.wrap(found(*map(_raw, args)))
        if name in ("recvAll", "sendAll"):  # libvirt's own loops, around calls that end
            return partial(getattr(type(self.raw), name), self)
        if name == "newStream":
            # One that never waits is for the event loop, which calls back with libvirt's own.
            return lambda flags=0: found(flags) if flags else self.calls.wrap(found(flags))
        return partial(self.calls.make, self.raw, name, found)


def called(function: Callable[..., T], thing: Any, *args: object) -> T:
    """Call a function that is no method of the thing's, such as those of libvirt_qemu; it ends, too."""
    return cast("T", thing.calls.make(thing.raw, function.__name__, function, thing.raw, *args))


def _raw(given: Any) -> Any:
    return given.raw if isinstance(given, Bounded) else given


def _named(thing: Any) -> tuple[str, str]:
    kind = KINDS[type(thing)]
    if kind in ("libvirt", "a stream"):
        return kind, ""
    return kind, thing.getName() if kind in ("snapshot", "checkpoint") else thing.name()
