"""Wait for what a guest becomes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from ipaddress import ip_interface

import libvirt

from kvmkit.errors import AgentFailed, InvalidSpec, KvmkitError, Unsupported, WaitTimeout, WrongState
from kvmkit.host import Host
from kvmkit.install.agent import agent_connected, ask_agent
from kvmkit.install.stuck import disk_trouble
from kvmkit.install.watch import wakened
from kvmkit.progress import safe_point
from kvmkit.safe import one_line
from kvmkit.vm.addresses import addresses
from kvmkit.vm.console import console_log
from kvmkit.vm.facts import STATES, domain

__all__ = ["Waited", "wait_for"]

AGAIN = 2
"""Seconds between two looks at what no event tells of: leases, ports, what a console has printed."""
LAST_LINES = 5
"""Of a console, in an error."""
LINE = 500
"""Characters of a line that is told."""

ENDED = {
    libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN: "powered itself off",
    libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED: "was stopped",
    libvirt.VIR_DOMAIN_SHUTOFF_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_SHUTOFF_MIGRATED: "went to another host",
    libvirt.VIR_DOMAIN_SHUTOFF_SAVED: "was saved to disk",
    libvirt.VIR_DOMAIN_SHUTOFF_FAILED: "lost its QEMU",
    libvirt.VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT: "went back to a snapshot in which it is off",
}
"""virDomainShutoffReason, in words."""

BANNERS = r"""
for address; do
    said=$(timeout 4 bash -c 'read -r line < "/dev/tcp/$1/22" && printf %s "$line"' bash "$address" 2>&1)
    case $said in SSH-*) printf '%s %s\n' "$address" "$said"; exit ;; esac
done
"""
"""Asks each address for the banner that an SSH server begins with (RFC 4253, 4.2)."""


@dataclass(frozen=True)
class Waited:
    """What :func:`wait_for` waited for, and what came.

    Attributes
    ----------
    what
        As it was asked for.
    seconds
        How long it took.
    address
        The guest's, without a prefix length; empty unless ``address`` or ``ssh`` was asked for.
    said
        The banner of its SSH server, the version of its agent, or the line on its console.
    """

    what: str
    seconds: float
    address: str = ""
    said: str = ""


def wait_for(host: Host, name: str, what: str, timeout: float = 600) -> Waited:
    """Wait until a running VM has come to something.

    Parameters
    ----------
    host, name
        Where, and which VM.
    what
        ``"address"``: it has an IP address. ``"ssh"``: its SSH server answers on port 22 of one of them, seen
        from the host, as VMs behind the host's NAT are reached from nowhere else. ``"agent"``: its guest
        agent answers. Any other text: it has printed that on its console since it was started.
    timeout
        Seconds.

    Returns
    -------
    Waited
        With the address, or what was said.

    Raises
    ------
    WrongState
        The VM is off, or goes off meanwhile, or is paused as there is no room for its disk: at once, with the
        last that its console said.
    WaitTimeout
        It has not come in time; says what was seen last.
    Unsupported
        On the practice host, but for ``"address"``; the VM has no channel for an agent, or no console log.
    NotFound, InvalidSpec, HostUnavailable
        There is no such VM; `what` is blank; the host does not answer any more.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.wait_for(kk.connect("test:///default"), "demo", "address").address
    '192.168.122.3'
    """
    ask = {"address": _address, "ssh": _ssh, "agent": _agent}.get(what, _printed)
    if not what.strip():
        raise InvalidSpec({"what": "address, ssh, agent, or a text that is expected on the console"})
    if host.practice and what != "address":
        raise Unsupported(
            f"a VM of the practice host runs no system, so {what!r} never comes; it has an address that "
            "libvirt's test driver makes up, and nothing else"
        )
    start = time.monotonic()
    with wakened(host, name) as woken:
        _must_run(host, name)
        while True:
            # Looked at first: its end may be what it had to say.
            over = _over(host, name, what)
            if found := ask(host, name, what):
                break
            if over:
                raise WrongState(f"{over}; {_last_lines(host, name)}")
            left = start + timeout - time.monotonic()
            if left <= 0:
                raise WaitTimeout(_too_late(host, name, what, timeout))
            safe_point()
            woken.wait(min(AGAIN, left))
            woken.clear()
    address, said = found
    return Waited(what, round(time.monotonic() - start, 1), address, said)


Found = tuple[str, str] | None
"""An address and what was said, of which one may be empty."""


def _must_run(host: Host, name: str) -> None:
    with host.reading(f"look for VM {name}") as connection:
        dom = domain(host, connection, name)
        if not dom.isActive():
            raise WrongState(
                f"VM {name} on {host.uri} is {STATES[dom.state()[0]]}, so that nothing will come of it; "
                f"kk.start(host, {name!r})"
            )


def _over(host: Host, name: str, what: str) -> str:
    """Say why it will not come any more; empty as long as it may."""
    with host.reading(f"look for VM {name}") as connection:
        dom = domain(host, connection, name)
        state, reason = dom.state()
        stuck = disk_trouble(dom)
    vm = f"VM {name} on {host.uri}"
    if stuck:
        return f"{vm} is paused, so {what!r} does not come: {stuck}; then kk.resume(host, {name!r})"
    if state == libvirt.VIR_DOMAIN_SHUTOFF:
        how = ENDED.get(reason, "went off")
        return f"{vm} {how} while {what!r} was waited for; kk.start(host, {name!r}) starts it again"
    return ""


def _address(host: Host, name: str, _what: str) -> Found:
    found = _plain_addresses(host, name)
    return (found[0], "") if found else None


def _plain_addresses(host: Host, name: str) -> list[str]:
    """Give them without prefix lengths, IPv4 first."""
    found = [ip_interface(address).ip for address in addresses(host, name)["address"]]
    return [str(ip) for ip in sorted(found, key=lambda ip: ip.version)]


def _ssh(host: Host, name: str, _what: str) -> Found:
    asked = _plain_addresses(host, name)
    if not asked:
        return None
    said = host.run(["bash", "-c", BANNERS, "bash", *asked], timeout=5 * len(asked) + 10, ok=False).stdout
    address, _, banner = said.strip().partition(" ")
    return (address, one_line(banner[:LINE])) if address else None


def _agent(host: Host, name: str, _what: str) -> Found:
    with host.reading(f"look for the agent of VM {name}") as connection:
        dom = domain(host, connection, name)
        if not agent_connected(host, dom):
            return None
        try:
            about = ask_agent(dom, "guest-info")
        except (libvirt.libvirtError, AgentFailed):  # it has just opened its channel, or is about to go
            return None
    version = about.get("version") if isinstance(about, dict) else None
    return "", one_line(f"qemu-guest-agent {str(version or 'of no version')[:80]}")


def _printed(host: Host, name: str, what: str) -> Found:
    lines = _console_lines(host, name)
    return next((("", line[:LINE]) for line in lines if what in line), None)


def _console_lines(host: Host, name: str) -> list[str]:
    return console_log(host, name).splitlines()


def _last_lines(host: Host, name: str) -> str:
    try:
        lines = [line[:LINE] for line in _console_lines(host, name) if line.strip()]
    except KvmkitError as error:
        return f"its console is not known: {error}"
    return (
        "its console said last:\n" + "\n".join(lines[-LAST_LINES:]) if lines else "its console said nothing"
    )


def _too_late(host: Host, name: str, what: str, timeout: float) -> str:
    with host.reading(f"look for VM {name}") as connection:
        state = STATES[domain(host, connection, name).state()[0]]
    known = ", ".join(_plain_addresses(host, name)) or "no address"
    return (
        f"{what!r} of VM {name} on {host.uri} did not come in {timeout:g} s: it is {state}, with {known}; "
        f"kk.screenshot(host, {name!r}) shows its screen; {_last_lines(host, name)}"
    )
