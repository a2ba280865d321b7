"""qemu_process: a running VM as the Linux process that it is, seen by ordinary tools."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from kvmkit.errors import NotFound
from kvmkit.host import Host
from kvmkit.practice import recorded
from kvmkit.safe import html, joined, one_line, page, table
from kvmkit.tables import Table

__all__ = ["QemuProcess", "qemu_process"]

_LOOK = """
pid=$(ps -eww -o pid=,args= | awk -v name="guest=$1," '
    $2 ~ /qemu/ && index($0 " ", name) { print $1; exit }')
[ "$pid" ] || exit 3
ps -ww -o args= -p "$pid"
echo ---
ps -L -o lwp=,psr=,stat=,time=,comm= -p "$pid"
echo ---
for file in /proc/"$pid"/fd/*; do readlink "$file"; done | grep -i kvm | sort -u
:
"""
"""Command line, threads and files of the QEMU that libvirt started for a VM, by ps(1) and proc(5) alone."""

_THREADS = ["thread", "processor", "state", "cpu time", "name"]


@dataclass(frozen=True)
class QemuProcess:
    """What :func:`qemu_process` gives; shows itself as text and as tables.

    Attributes
    ----------
    vm
        The VM.
    command
        The beginning of its command line.
    threads
        DataFrame indexed by thread id; columns ``processor`` (on which it ran last), ``state``
        (ps(1), PROCESS STATE CODES), ``cpu time``, ``name``.
    files
        The open files that are KVM's; empty if only root may see them.
    where
        Where it was seen.
    recorded
        Why this is a recording; empty if it has just been seen.
    """

    vm: str
    command: str
    threads: pd.DataFrame
    files: tuple[str, ...]
    where: str
    recorded: str = ""

    @property
    def _head(self) -> str:
        seen = f"RECORDED {self.where}, since {self.recorded}" if self.recorded else f"just seen {self.where}"
        return f"VM {self.vm}, {seen}"

    def __repr__(self) -> str:
        files = list(map(one_line, self.files)) or ["(only root may see them)"]
        head, command = one_line(self._head), one_line(self.command)
        return "\n".join(
            [head, "", f"$ {command}", "", self.threads.to_string(), "", "its files of KVM:", *files]
        )

    def _repr_html_(self) -> Markup:
        files = [html("<li><code>{}</code></li>", file) for file in self.files]
        template = "<p><b>{}</b></p><p><code>{}</code></p>{}<p>Its files of KVM:</p><ul>{}</ul>"
        listed = joined(files or [html("<li>only root may see them</li>")])
        threads = table(["thread", *self.threads.columns], self.threads.itertuples())
        return page(html(template, self._head, self.command, threads, listed))


def qemu_process(host: Host, vm: str = "") -> QemuProcess:
    """Look at a running VM's QEMU by ps and /proc; nothing is changed.

    Parameters
    ----------
    host
        The host.
    vm
        Which VM; empty: the first that runs.

    Returns
    -------
    QemuProcess
        On the practice host, and where no VM runs, a recorded one, which says so and why.

    Raises
    ------
    NotFound
        `vm` is named and does not run.
    HostUnavailable, LibvirtFailed
        The host or its libvirt does not answer.
    """
    if host.practice:
        return _recorded("a VM of the practice host is no process")
    with host.reading("list the VMs that run") as connection:
        running = sorted(domain.name() for domain in connection.listAllDomains() if domain.isActive())
    if vm and vm not in running:
        raise NotFound(f"no VM {vm!r} runs on {host.uri}; there run: {', '.join(running) or 'none'}")
    if not running:
        return _recorded(f"no VM runs on {host.uri}")
    vm = vm or running[0]
    done = host.run(["sh", "-c", _LOOK, "sh", vm], ok=False)
    if done.exit_code:
        return _recorded(f"ps on {host.uri} does not show the QEMU of VM {vm}")
    return _read(vm, done.stdout, f"on {host.uri}")


def _recorded(why: str) -> QemuProcess:
    head, _, text = recorded("recorded-qemu.txt").partition("\n")
    return _read("web1", text, head.removeprefix("# recorded "), why)


def _read(vm: str, text: str, where: str, why: str = "") -> QemuProcess:
    command, threads, files = (part.strip() for part in text.split("---\n"))
    rows = [line.split(None, 4) for line in threads.splitlines()]
    frame = Table(rows, columns=_THREADS).set_index("thread")
    # The whole line takes a page; the beginning says whose it is and how it runs.
    words = re.split(r" (?=-)", command)
    wanted = ("-name", "-machine", "-accel", "-cpu", "-m ", "-smp")
    shown = [words[0], *(word for word in words[1:] if word.startswith(wanted))]
    return QemuProcess(vm, " ".join([*shown, "…"]), frame, tuple(files.splitlines()), where, why)
