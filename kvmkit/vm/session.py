"""A session at a VM's serial console: it outlives reboots of the VM, and of its host."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Literal

import libvirt

from kvmkit.errors import Busy, KvmkitError, LibvirtFailed, NotFound, Stuck, Unsupported, WrongState
from kvmkit.host import Host
from kvmkit.vm.facts import STATES, domain
from kvmkit.vm.line import Line
from kvmkit.vm.xml import parse

__all__ = ["Session", "State"]

State = Literal["attached", "off", "taken", "lost", "left"]
"""It works; the VM is off; somebody else has the console; the host does not answer; it was given up."""
Event = Literal["came", "ended", "started", "lost", "attach", "leave", "close"]

RETRY = 5
"""Seconds between attempts to reach a host that is lost."""
BATCH = 0.02
"""Seconds for which output is gathered: a page that got every byte by itself would fall behind."""
RATE = 2**18
"""Bytes a second: Jupyter's server drops what a kernel sends above 1 MB/s (iopub_data_rate_limit)."""
FULL = 2**16
"""Bytes that may wait; then the VM has to."""


class Session:
    """The console of one VM, kept attached by a thread of its own.

    Raises
    ------
    Unsupported
        On the practice host.
    """

    def __init__(self, host: Host, name: str) -> None:
        if host.practice:
            raise Unsupported(
                "a VM of the practice host runs no system, so there is nobody at its console; "
                "it takes a real host, such as qemu:///system"
            )
        self.host, self.name = host, name
        self.state: State = "left"
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self._line: Line | None = None
        self._connection: libvirt.virConnect | None = None
        self._watch = -1
        self._thread: threading.Thread | None = None

    def open(
        self, came: Callable[[bytes], None], changed: Callable[[State, str], None], *, force: bool = False
    ) -> None:
        """Attach to the console, and stay so.

        Parameters
        ----------
        came
            Told what the VM said, in order.
        changed
            Told each new state, with a sentence for people.
        force
            Whether to take the console from who has it.

        Raises
        ------
        Unsupported, NotFound, WrongState, Busy, HostUnavailable, LibvirtFailed
            It cannot be attached now.
        """
        self._came, self._changed = came, changed
        try:
            self._attach(force=force)
        except BaseException:
            self._detach()
            raise
        self._set("attached", "")
        self._thread = threading.Thread(target=self._run, name=f"console of {self.name}", daemon=True)
        self._thread.start()

    def send(self, data: bytes) -> None:
        """Have bytes written to the VM.

        Raises
        ------
        WrongState
            There is no line to it now.
        """
        line = self._line
        if line is None or self.state != "attached":
            raise WrongState(f"nothing can be typed at VM {self.name} on {self.host.uri} now: {self.state}")
        line.send(data)

    def attach(self) -> None:
        """Try again now; a session that is attached stays so."""
        self._events.put("attach")

    def leave(self) -> None:
        """Give the console up, until :meth:`attach`."""
        self._events.put("leave")

    def close(self) -> None:
        """Give the console up for good, and wait until another reader can have it."""
        if self._thread is not None:
            self._events.put("close")
            self._thread.join()

    def _run(self) -> None:
        while (event := self._next()) != "close":
            if event == "came":
                self._pass_on()
            elif event == "leave":
                self._detach()
                self._set("left", "disconnected: press Enter to connect again")
            elif self._is_news(event):
                self._pass_on()
                self._again(anew=event == "lost" or self.state == "lost")
        self._detach()
        self._pass_on()
        self._set("left", "closed")

    def _next(self) -> Event:
        try:
            return self._events.get(timeout=RETRY if self.state == "lost" else None)
        except queue.Empty:
            return "attach"

    def _is_news(self, event: Event) -> bool:
        """Whether it calls for an attempt: not what an earlier line or connection said last."""
        if event == "ended":
            return self._line is not None and self._line.over
        if event == "lost":
            return self._connection is not None and not self._connection.isAlive()
        return self.state != "attached" and (event == "attach" or self.state != "left")

    def _again(self, *, anew: bool) -> None:
        if anew:
            self._detach()
            if self.state != "lost":
                self._set("lost", f"{self.host.uri} does not answer any more: trying again")
        try:
            self._attach()
        except (WrongState, NotFound):
            self._set("off", f"VM {self.name} is off: this console comes back when it starts")
        except Busy:
            self._set("taken", "somebody else has this console: press Enter to try again")
        except KvmkitError as error:
            self._set("lost", f"{error} (tried again every {RETRY} s)")
        else:
            self._set("attached", "")

    def _set(self, state: State, why: str) -> None:
        self.state = state
        self._changed(state, why)

    def _attach(self, *, force: bool = False) -> None:
        self._hang_up()
        try:
            if self._connection is None:
                self._connection = self.host.listening(lambda: self._events.put("lost"))
                kind = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
                self._watch = self._connection.domainEventRegisterAny(None, kind, self._lifecycle, None)
            dom = domain(self.host, self._connection, self.name)
            self._look(dom)
            # SAFE: a hypervisor that would let two read the same console, each a part of it, refuses.
            flags = libvirt.VIR_DOMAIN_CONSOLE_FORCE if force else libvirt.VIR_DOMAIN_CONSOLE_SAFE
            self._line = Line(dom, flags, self._gather, lambda: self._events.put("ended"))
        except libvirt.libvirtError as error:
            raise self._refused(error) from error

    def _look(self, dom: libvirt.virDomain) -> None:
        xml, where = parse(dom.XMLDesc()), f"VM {self.name} on {self.host.uri}"
        if xml.find("devices/console") is None and xml.find("devices/serial") is None:
            raise Unsupported(
                f"{where} has no serial console: put <serial type='pty'/> into its <devices> with "
                f"`virsh edit {self.name}`, and start it anew (https://libvirt.org/formatdomain.html)"
            )
        if not dom.isActive():
            raise WrongState(
                f"{where} is {STATES[dom.state()[0]]}, and so nobody is at its console; "
                f"kk.start(host, {self.name!r})"
            )

    def _refused(self, error: libvirt.libvirtError) -> KvmkitError:
        said, where = error.get_error_message(), f"VM {self.name} on {self.host.uri}"
        # libvirt has no code of its own for that (src/conf/virchrdev.c, qemuDomainOpenConsole).
        if "Active console session exists" in said:
            return Busy(
                f"somebody else reads the console of {where}, and two would each get a part of what it says; "
                f"kk.console(host, {self.name!r}, force=True) takes it from them"
            )
        if error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID:
            return WrongState(f"{where}: {said}")
        return LibvirtFailed(f"cannot open the console of {where}: {said}")

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _detach(self) -> None:
        self._hang_up()
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(libvirt.libvirtError, Stuck):  # it may be broken, or hang
                connection.unregisterCloseCallback()
                connection.domainEventDeregisterAny(self._watch)
            with contextlib.suppress(libvirt.libvirtError, Stuck):
                connection.close()

    def _lifecycle(
        self, _connection: libvirt.virConnect, dom: libvirt.virDomain, event: int, _detail: int, _opaque: None
    ) -> None:
        if event == libvirt.VIR_DOMAIN_EVENT_STARTED and dom.name() == self.name:
            self._events.put("started")

    def _gather(self, data: bytes) -> None:
        with self._lock:
            if not self._waiting:
                self._events.put("came")
            self._waiting += data
            full = len(self._waiting) > FULL
        line = self._line
        if full and line is not None:
            line.read(False)

    def _pass_on(self) -> None:
        with self._lock:
            data = bytes(self._waiting)
            self._waiting.clear()
        if not data:
            return
        self._came(data)
        time.sleep(max(BATCH, len(data) / RATE))
        if len(data) > FULL and self._line is not None:
            self._line.read(True)
