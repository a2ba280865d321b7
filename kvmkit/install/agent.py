"""Run commands in VMs, through their guest agents."""

from __future__ import annotations

import base64
import json
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

import libvirt
import libvirt_qemu
import pandas as pd

from kvmkit.calls import called
from kvmkit.errors import AgentFailed, InvalidSpec, KvmkitError, Unsupported, WaitTimeout, WrongState
from kvmkit.host import Host
from kvmkit.vm.facts import STATES, domain, frame
from kvmkit.vm.xml import parse

__all__ = ["agent_connected", "ask_agent", "run_in_guest"]

T = TypeVar("T")

AGENT_SECONDS = 10
"""In which an agent has to answer."""
DATA = ("out-data", "err-data")
NO_PROGRAM = 127
"""A shell's exit code for a command that is not installed (sh(1p))."""


def run_in_guest(
    host: Host, name: str | Sequence[str], argv: Sequence[str], timeout: float = 60, stdin: bytes = b""
) -> pd.DataFrame:
    """Run a command in VMs, through their guest agents; in all at the same time.

    Parameters
    ----------
    host
        The host.
    name
        A VM, or several.
    argv
        The command and its arguments; never a shell string. It runs as root.
    timeout
        Seconds for all of them together. What has not ended by then goes on in the guest.
    stdin
        What it reads; about 3 MB at most, as for what it prints, which is what libvirt lets through.

    Returns
    -------
    pandas.DataFrame
        A row for each VM, indexed by ``name``, in the order asked for; columns ``argv`` (quoted as for a
        shell), ``exit_code`` (127: there is no such command; negative: the signal that ended it),
        ``stdout``, ``stderr``.

    Raises
    ------
    Unsupported
        On the practice host; a VM has no channel for an agent, or its agent may not run commands.
    WrongState
        A VM is off, or its agent does not answer; then nothing has been run in any.
    WaitTimeout, AgentFailed
        It did not end in time, says the number of the process in the guest; an agent answered what is no
        answer, or no more. What the other VMs said is in the error's ``.results``, a DataFrame as above.
    NotFound, InvalidSpec, LibvirtFailed
        There is no such VM; the command is no list of words; the agent's own words.
    """
    if isinstance(argv, str) or not argv:
        raise InvalidSpec({"argv": f"{argv!r}: a list of words, please, such as ['uname', '-r']"})
    if host.practice:
        raise Unsupported(
            "a VM of the practice host runs no system, so there is no agent in it; it takes a real host"
        )
    names = [name] if isinstance(name, str) else list(name)
    deadline = time.monotonic() + timeout
    with host.reading(f"run {argv[0]} in {', '.join(names)}") as connection:
        doms = {vm: domain(host, connection, vm) for vm in names}
        for dom in doms.values():
            _must_answer(host, dom)
        failed: dict[str, KvmkitError] = {}
        with_each = partial(_with_each, failed)
        running = with_each(doms, lambda vm: _start(doms[vm], argv, stdin))
        results = with_each(running, lambda vm: _ended(host, doms[vm], running[vm], argv, deadline))
    rows = [(vm, shlex.join(argv), *results[vm]) for vm in names if vm in results]
    columns = {"name": "str", "argv": "str", "exit_code": "int64", "stdout": "str", "stderr": "str"}
    told = frame(rows, columns).set_index("name")
    if not failed:
        return told
    if not results and all(isinstance(error, Unsupported) for error in failed.values()):
        raise Unsupported("; ".join(map(str, failed.values())))
    kind = WaitTimeout if all(isinstance(error, WaitTimeout) for error in failed.values()) else AgentFailed
    others = f"; what {', '.join(results)} said is in .results of this error" if results else ""
    raise kind("; ".join(map(str, failed.values())) + others, told)


def _with_each(failed: dict[str, KvmkitError], vms: Iterable[str], do: Callable[[str], T]) -> dict[str, T]:
    """Do it with each VM, and note in `failed` with which it failed: what the others say must not be lost."""
    done = {}
    for vm in vms:
        try:
            done[vm] = do(vm)
        except libvirt.libvirtError as error:
            failed[vm] = AgentFailed(f"the guest agent of VM {vm}: {error.get_error_message()}")
        except (AgentFailed, Unsupported, WaitTimeout) as error:
            failed[vm] = error
    return done


def _must_answer(host: Host, dom: libvirt.virDomain) -> None:
    name = dom.name()
    if not dom.isActive():
        raise WrongState(f"VM {name} on {host.uri} is {STATES[dom.state()[0]]}; kk.start(host, {name!r})")
    try:
        if agent_connected(host, dom):
            ask_agent(dom, "guest-ping")
            return
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_AGENT_UNRESPONSIVE:
            raise
    raise WrongState(
        f"the guest agent of VM {name} on {host.uri} does not answer: kk.wait_for(host, {name!r}, 'agent') "
        "waits for a guest that is starting; else install qemu-guest-agent in it, and start that"
    )


def agent_connected(host: Host, dom: libvirt.virDomain) -> bool:
    """Whether something in the guest listens at the channel for an agent.

    Raises
    ------
    Unsupported
        The VM has none.
    """
    target = parse(dom.XMLDesc()).find("devices/channel/target[@name='org.qemu.guest_agent.0']")
    if target is None:
        raise Unsupported(
            f"VM {dom.name()} on {host.uri} has no channel for a guest agent: put <channel type='unix'>"
            "<target type='virtio' name='org.qemu.guest_agent.0'/></channel> into its <devices> with "
            f"`virsh edit {dom.name()}`, and start it anew (https://libvirt.org/formatdomain.html)"
        )
    return bool(target.get("state") == "connected")


def ask_agent(dom: libvirt.virDomain, command: str, **arguments: object) -> Any:
    """Ask the agent something (https://www.qemu.org/docs/master/interop/qemu-ga-ref.html)."""
    asked = json.dumps({"execute": command, "arguments": arguments})
    said = called(libvirt_qemu.qemuAgentCommand, dom, asked, AGENT_SECONDS, 0)
    try:
        return json.loads(said)["return"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _no_answer(dom, command, said) from None


def _no_answer(dom: libvirt.virDomain, command: str, said: object) -> AgentFailed:
    return AgentFailed(
        f"the guest agent of VM {dom.name()} answered {command} with what is no answer: {str(said)[:200]!r}; "
        "whoever has root in that guest decides what its agent says"
    )


def _start(dom: libvirt.virDomain, argv: Sequence[str], given: bytes) -> int | str:
    """Start the command: the number of its process, or why there is no such program."""
    arguments = {"path": argv[0], "arg": list(argv[1:]), "capture-output": True}
    arguments["input-data"] = base64.b64encode(given).decode()
    try:
        started = ask_agent(dom, "guest-exec", **arguments)
    except libvirt.libvirtError as error:
        said = str(error.get_error_message())
        if "has been disabled" in said:  # qapi/qmp-dispatch.c
            raise Unsupported(
                f"the guest agent of VM {dom.name()} may not run commands ({said}); what it may is in the "
                "guest's /etc/sysconfig/qemu-ga (RHEL and its kin) or /etc/qemu/qemu-ga.conf"
            ) from error
        if "Failed to execute child process" not in said:  # GLib's words (gspawn.c)
            raise
        return said
    match started:
        case {"pid": int(pid)}:
            return pid
    raise _no_answer(dom, "guest-exec", started)


def _ended(
    host: Host, dom: libvirt.virDomain, started: int | str, argv: Sequence[str], deadline: float
) -> tuple[int, str, str]:
    """Wait for its end, of which no event tells."""
    if isinstance(started, str):
        return NO_PROGRAM, "", started
    pause = 0.05
    while not _has_ended(dom, status := ask_agent(dom, "guest-exec-status", pid=started)):
        left = deadline - time.monotonic()
        if left <= 0:
            kill = f"kk.run_in_guest(host, {dom.name()!r}, ['kill', '{started}'])"
            raise WaitTimeout(
                f"{shlex.join(argv)[:200]} has not ended in time in VM {dom.name()} on {host.uri}; there it "
                f"goes on as process {started}; {kill} would end it"
            )
        time.sleep(min(pause, left))
        pause = min(2 * pause, 1)
    code = -status["signal"] if "signal" in status else status["exitcode"]
    try:
        return code, _text(status.get("out-data", "")), _text(status.get("err-data", ""))
    except ValueError:
        raise _no_answer(dom, "guest-exec-status", status) from None


def _has_ended(dom: libvirt.virDomain, status: Any) -> bool:
    """Whether it has, by an answer that is one: whoever has root in a guest decides what its agent says."""
    match status:
        case {"exited": False}:
            return False
        case {"exited": True, "signal": int(code)} | {"exited": True, "exitcode": int(code)}:
            if abs(code) < 2**31 and all(isinstance(status.get(data, ""), str) for data in DATA):
                return True
    raise _no_answer(dom, "guest-exec-status", status)


def _text(encoded: str) -> str:
    return base64.b64decode(encoded, validate=True).decode(errors="replace")
