"""menu: the menu of the article's script, with how the host stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from kvmkit.apply import pending
from kvmkit.bridge.frames import bridges
from kvmkit.check.facts import read_facts
from kvmkit.check.packages import missing_packages, package_manager
from kvmkit.errors import KvmkitError
from kvmkit.host import Host
from kvmkit.safe import html, joined, one_line, page, plain
from kvmkit.vm.facts import pools, vms

__all__ = ["Menu", "menu"]

NO_LIBVIRT = "libvirt: not running"
ASKED_OF_LIBVIRT = ("storage", "vms", "off", "running")


@dataclass(frozen=True)
class Entry:
    """One line: its number in the script, what it does, its runbook, how the host stands."""

    number: int
    text: str
    runbook: str
    state: str


class Menu:
    """What :func:`menu` gives: a list with links in a notebook, text elsewhere.

    Attributes
    ----------
    head : str
        The host, and whether it answers; below it each plan that was begun and not finished.
    entries : tuple
        The lines.
    """

    def __init__(self, head: str, entries: tuple[Entry, ...]) -> None:
        self.head = head
        self.entries = entries

    def __repr__(self) -> str:
        lines = [f"[{e.number}] {e.text:<30} {e.runbook:<21} {one_line(e.state)}" for e in self.entries]
        return "\n".join([plain(self.head), *(line.rstrip() for line in lines)])

    def _repr_html_(self) -> Markup:
        head = joined(html("<p><code>{}</code></p>", line) for line in self.head.split("\n"))
        return page(html("{}<ul>{}</ul>", head, joined(map(_html_entry, self.entries))))


def _html_entry(entry: Entry) -> Markup:
    link = [html("<a href='{}.ipynb'>{}</a>", entry.runbook, entry.runbook)] if entry.runbook else []
    told = joined([*link, *([html("{}", entry.state)] if entry.state else [])], " - ")
    return html("<li><b>[{}]</b> {}: {}</li>", entry.number, entry.text, told)


def menu(host: Host) -> Menu:
    """Show the menu of the article's script: each entry's runbook, and how the host stands.

    Parameters
    ----------
    host
        Also one that does not answer: then the first line says so.

    Returns
    -------
    Menu
        It only reads.

    Examples
    --------
    >>> import kvmkit as kk
    >>> menu = kk.menu(kk.connect("test:///default"))
    >>> menu.entries[4].state
    '1 VM, 1 running'
    """
    state = _states(host)
    begun = [
        f"not finished: {plan.title}; kk.pending(host) shows it, kk.undo(host, {plan.id!r}) takes it back"
        for plan in pending(host)
    ]
    head = "\n".join(map(one_line, [state.get("why", f"{host.uri} answers"), *begun]))
    entries = [
        (1, "configure the package source", "20-prepare-host", state.get("source", "")),
        (2, "install the KVM tools", "20-prepare-host", state.get("tools", "")),
        (3, "set up the bridge", "30-bridge", state.get("bridges", "")),
        (4, "install a VM by hand", "40-create-vm", state.get("storage", "")),
        (5, "list the VMs", "50-manage-vms", state.get("vms", "")),
        (6, "start a VM", "50-manage-vms", state.get("off", "")),
        (7, "stop a VM", "50-manage-vms", state.get("running", "")),
        (8, "connect to a VM's console", "50-manage-vms", state.get("running", "")),
        (9, "install a VM automatically", "41-unattended-install", state.get("storage", "")),
        (0, "leave", "", "close the tab: VMs run on"),
    ]
    return Menu(head, tuple(Entry(*entry) for entry in entries))


def _states(host: Host) -> dict[str, str]:
    """Say in a few words how the host stands, and ``why`` where it or its libvirt cannot be asked."""
    try:
        facts = read_facts(host)
    except KvmkitError as error:
        return {"why": str(error)}
    try:
        answers, libvirt = "libvirt: running", _libvirt_states(host)
    except KvmkitError as error:
        answers, libvirt = NO_LIBVIRT, dict.fromkeys(ASKED_OF_LIBVIRT, NO_LIBVIRT) | {"why": str(error)}
    missing = len(missing_packages(facts, local=host.ssh is None))
    rehearsed = "; rehearsed here" if facts.practice else ""
    return libvirt | {
        "source": f"by {package_manager(facts) or 'hand'}{rehearsed}",
        "tools": f"packages missing: {missing}; {answers}{rehearsed}",
        "bridges": _bridges(host, facts.bridges),
    }


def _bridges(host: Host, names: Iterable[str]) -> str:
    """Say which bridges there are; of a host whose ``ip`` is too old to tell more, their names."""
    try:
        frame = bridges(host)
        own = frame.loc[~frame["private"], "up"]
        told = [f"{name}: {'up' if up else 'down'}" for name, up in own.items()]
    except KvmkitError:
        told = [*names]
    return ", ".join(told) or "no bridge"


def _libvirt_states(host: Host) -> dict[str, str]:
    states, storage = vms(host)["state"], pools(host)
    active = storage[storage["active"]]
    free = [f"{name} has {row.free_gib:g} GiB free" for name, row in active.iterrows()]
    running = f"{(states == 'running').sum()} running"
    return {
        "storage": f"storage pools: {'; '.join(free) or 'none active'}",
        "vms": f"{len(states)} VM{'s' * (len(states) != 1)}, {running}",
        "off": f"{(states == 'shut off').sum()} shut off",
        "running": running,
    }
