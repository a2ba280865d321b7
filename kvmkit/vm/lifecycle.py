"""The verbs that act on a VM at once: start, shutdown, destroy, reboot, suspend, resume, autostart.

libvirt's own words (https://libvirt.org/manpages/virsh.html).  Each is journalled.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import libvirt

from kvmkit.apply import acting
from kvmkit.errors import ShutdownTimeout, WrongState
from kvmkit.host import Host
from kvmkit.vm.facts import STATES, domain

__all__ = ["autostart", "destroy", "reboot", "resume", "shutdown", "start", "suspend"]

ON = ("running", "suspended", "asleep", "shutting down")


def start(host: Host, name: str) -> None:
    """Start a VM that is shut off.

    Parameters
    ----------
    host, name
        Where, and which.

    Raises
    ------
    NotFound, WrongState, LibvirtFailed
        There is no such VM; it runs already; libvirt cannot start it.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.start(host, "demo")
    Traceback (most recent call last):
      ...
    kvmkit.errors.WrongState: cannot start VM demo on test:///default: it is running, not shut off or crashed
    """
    with _vm(host, name, "start", ("shut off", "crashed")) as dom:
        dom.create()


def shutdown(host: Host, name: str, timeout: float = 60) -> None:
    """Ask a running guest to power itself off, and wait until it has.  It is never forced.

    Parameters
    ----------
    host, name
        Where, and which.
    timeout
        Seconds to wait.

    Raises
    ------
    ShutdownTimeout
        The guest still runs: it may have no ACPI support, or be busy.
    NotFound, WrongState, LibvirtFailed
        There is no such VM; it does not run; libvirt's own words.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.shutdown(host, "demo", timeout=120)
    >>> kk.vms(host).loc["demo", "state"]
    'shut off'
    """
    with _vm(host, name, "shutdown", ("running", "shutting down")) as dom:
        dom.shutdown()
    deadline = time.monotonic() + timeout
    while _is_on(host, name):
        if time.monotonic() > deadline:
            raise ShutdownTimeout(
                f"VM {name} on {host.uri} still runs {timeout:g} s after it was asked to power off: its "
                f"guest does not react. Look at kk.screenshot(host, {name!r}), wait, or cut its power: "
                f"kk.destroy(host, {name!r})"
            )
        time.sleep(0.2)  # libvirt's events need a thread of their own; a look five times a second does not


def destroy(host: Host, name: str) -> None:
    """Stop a VM at once, as if its power were cut.  Its disks stay; what was not written is lost.

    Parameters
    ----------
    host, name
        Where, and which.

    Raises
    ------
    NotFound, WrongState, LibvirtFailed
        There is no such VM; it is off; libvirt's own words.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.destroy(host, "demo")
    >>> kk.vms(host).loc["demo", "state"]
    'shut off'
    """
    with _vm(host, name, "destroy", ON) as dom:
        dom.destroy()


def reboot(host: Host, name: str) -> None:
    """Ask a running guest to reboot; it is up to the guest.

    Parameters
    ----------
    host, name
        Where, and which.

    Raises
    ------
    NotFound, WrongState, LibvirtFailed
        There is no such VM; it does not run; libvirt's own words.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.reboot(host, "demo")
    """
    with _vm(host, name, "reboot", ("running",)) as dom:
        dom.reboot(0)


def suspend(host: Host, name: str) -> None:
    """Halt a running VM's processors; it stays in memory.

    Parameters
    ----------
    host, name
        Where, and which.

    Raises
    ------
    NotFound, WrongState, LibvirtFailed
        There is no such VM; it does not run; libvirt's own words.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.suspend(host, "demo")
    >>> kk.vms(host).loc["demo", "state"]
    'suspended'
    """
    with _vm(host, name, "suspend", ("running",)) as dom:
        dom.suspend()


def resume(host: Host, name: str) -> None:
    """Let a suspended VM go on.

    Parameters
    ----------
    host, name
        Where, and which.

    Raises
    ------
    NotFound, WrongState, LibvirtFailed
        There is no such VM; it is not suspended; libvirt's own words.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.suspend(host, "demo")
    >>> kk.resume(host, "demo")
    >>> kk.vms(host).loc["demo", "state"]
    'running'
    """
    with _vm(host, name, "resume", ("suspended",)) as dom:
        dom.resume()


def autostart(host: Host, name: str, on: bool) -> None:
    """Set whether a VM starts with the host.

    Parameters
    ----------
    host, name
        Where, and which.
    on
        Whether it does.

    Raises
    ------
    NotFound, LibvirtFailed
        There is no such VM; libvirt's own words (a transient VM cannot).

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.autostart(host, "demo", True)
    >>> bool(kk.vms(host).loc["demo", "autostart"])
    True
    """
    with _vm(host, name, f"autostart {'on' if on else 'off'}", tuple(STATES.values())) as dom:
        dom.setAutostart(int(on))


@contextlib.contextmanager
def _vm(host: Host, name: str, verb: str, states: tuple[str, ...]) -> Iterator[libvirt.virDomain]:
    with host.reading(f"look for VM {name}") as connection:
        state = STATES[domain(host, connection, name).state()[0]]
    if state not in states:
        raise WrongState(f"cannot {verb} VM {name} on {host.uri}: it is {state}, not {' or '.join(states)}")
    with acting(host, f"{verb} VM {name}") as connection:
        yield domain(host, connection, name)


def _is_on(host: Host, name: str) -> bool:
    with host.reading(f"look for VM {name}") as connection:
        # A transient VM is gone once it is off.
        return name in [d.name() for d in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)]
