"""run_guest: the twelve-byte guest, on the host where it can be, else as it was recorded."""

from __future__ import annotations

import inspect
import json
import sys
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from kvmkit.commands import Local, Result
from kvmkit.errors import CommandTimeout
from kvmkit.host import Host
from kvmkit.learn import twelve_bytes
from kvmkit.learn.twelve_bytes import CODE
from kvmkit.practice import recorded
from kvmkit.safe import html, one_line, page, plain, table

__all__ = ["CODE", "Exit", "GuestRun", "code_table", "guest_program", "run_guest"]

SECONDS = 20
"""After which the process that runs the guest is killed; it takes a fraction of a millisecond."""

# Intel's manual, volume 2, has each of these.
INSTRUCTIONS = (
    (3, "mov dx, 0x3f8", "DX = the port of a PC's first serial line"),
    (2, "add al, bl", "AL = 2 + 2"),
    (2, "add al, 0x30", "and the code of the digit 0: AL = '4'"),
    (1, "out dx, al", "write AL to the port"),
    (2, "mov al, 0x0a", "AL = the end of a line"),
    (1, "out dx, al", "write that, too"),
    (1, "hlt", "nothing more to do"),
)
MEANING = {
    "IO": "the guest wrote {data} to port {port:#x}: somebody has to be the serial line",
    "HLT": "the guest halted its processor: it is done",
}


def code_table() -> pd.DataFrame:
    """Take the guest's code apart.

    Returns
    -------
    pandas.DataFrame
        Indexed by address; columns ``bytes``, ``instruction``, ``does``.

    Examples
    --------
    >>> from kvmkit import learn
    >>> learn.code_table().iloc[-1].tolist()
    ['f4', 'hlt', 'nothing more to do']
    """
    rows, at = [], 0
    for length, instruction, does in INSTRUCTIONS:
        rows.append((f"{twelve_bytes.ADDRESS + at:#x}", CODE[at : at + length].hex(" "), instruction, does))
        at += length
    return pd.DataFrame(rows, columns=["address", "bytes", "instruction", "does"]).set_index("address")


def guest_program() -> str:
    """Give the Python that runs the guest, as it is run."""
    return inspect.getsource(twelve_bytes.run)


@dataclass(frozen=True)
class Exit:
    """One return from guest mode.

    Attributes
    ----------
    reason
        KVM's name for it (``KVM_EXIT_…`` of linux/kvm.h).
    port, data
        What was written where; 0 and empty if it was no output.
    microseconds
        From the call to its return.
    """

    reason: str
    port: int
    data: bytes
    microseconds: float

    @property
    def meaning(self) -> str:
        """What it was, for a person."""
        said = MEANING.get(self.reason, "unexpected: see the kernel's documentation of KVM_RUN")
        return said.format(data=repr(self.data.decode("latin-1")), port=self.port)


@dataclass(frozen=True)
class GuestRun:
    """What :func:`run_guest` gives; shows itself as a table.

    Attributes
    ----------
    exits
        Each return from guest mode, in order.
    where
        Where and when it ran.
    recorded
        Why this is a recorded run; empty if it has just been run.
    """

    exits: tuple[Exit, ...]
    where: str
    recorded: str = ""

    @property
    def said(self) -> str:
        """What the guest wrote to the serial port."""
        return plain(b"".join(exit_.data for exit_ in self.exits if exit_.port == 0x3F8).decode("latin-1"))

    @property
    def _head(self) -> str:
        return f"RECORDED {self.where}, since {self.recorded}" if self.recorded else f"just run {self.where}"

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (str(n), f"KVM_EXIT_{e.reason}", f"{e.microseconds:g} µs", e.meaning)
            for n, e in enumerate(self.exits, 1)
        ]

    def __repr__(self) -> str:
        rows = [f"{number}. {reason:<14} {took:>10}  {text}" for number, reason, took, text in self._rows()]
        return "\n".join(map(one_line, [self._head, *rows]))

    def _repr_html_(self) -> Markup:
        rows = table(("", "exit", "after", "what it was"), self._rows())
        return page(html("<p><b>{}</b></p>{}", self._head, rows))


def run_guest(host: Host) -> GuestRun:
    """Run the twelve-byte guest on a host, in a process of its own that is killed when it takes long.

    Parameters
    ----------
    host
        It needs ``python3`` and a ``/dev/kvm`` that you may open; nothing is left of the guest. On the
        practice host it is run on the machine that this notebook runs on.

    Returns
    -------
    GuestRun
        If it cannot be run there, a recorded run, which says so and why.

    Raises
    ------
    HostUnavailable
        The host does not answer.
    """
    events, where, why = _try(host)
    if not why:
        return GuestRun(_exits(events), where)
    kept, *lines = recorded("recorded-guest.jsonl").splitlines()
    return GuestRun(_exits([json.loads(line) for line in lines]), json.loads(kept)["recorded"], why)


def _try(host: Host) -> tuple[list[dict[str, Any]], str, str]:
    """Run it; what happened, where, and why it cannot be had there."""
    where = "on the machine of this notebook" if host.practice else f"on {host.uri}"
    source = inspect.getsource(twelve_bytes)
    try:
        if host.practice:
            done = Local(host.uri).run([sys.executable, "-"], source, SECONDS)
        else:
            done = host.run(["python3", "-"], stdin=source, timeout=SECONDS, ok=False)
    except CommandTimeout:
        return [], where, f"{where} it did not end in {SECONDS} s and was killed"
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return events, where, _why_not(events, done, where)


def _why_not(events: list[dict[str, Any]], done: Result, where: str) -> str:
    if events and "cannot" in events[-1]:
        return f"{where} it cannot run ({events[-1]['cannot']})"
    if done.exit_code:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        return f"{where} it cannot run ({said[-1]})"
    if [event.get("reason") for event in events] != [None, "IO", "IO", "HLT"]:
        return f"{where} /dev/kvm does not run it as a processor would ({events})"
    return ""


def _exits(events: list[dict[str, Any]]) -> tuple[Exit, ...]:
    return tuple(
        Exit(event["reason"], event["port"], bytes.fromhex(event["data"]), event["microseconds"])
        for event in events
        if "reason" in event
    )
