"""What an installation does, as it goes: read from the serial console and from libvirt's events."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import libvirt

from kvmkit.errors import HostUnavailable, InstallFailed, LibvirtFailed, Stuck
from kvmkit.host import Host
from kvmkit.install.serving import Fetch
from kvmkit.install.stuck import disk_trouble
from kvmkit.progress import note, safe_point
from kvmkit.vm.steps import find_domain
from kvmkit.vm.transcript import readable

__all__ = [
    "Timeline",
    "Watch",
    "ended_by_itself",
    "last_words",
    "question",
    "read_console",
    "stages",
    "stays_on",
    "trouble",
    "wakened",
]

LOG_BYTES = 2**17
"""How much of the console is read each time; no installer prints more between two looks."""
LOOK = 3
"""Seconds between looks at the console: libvirt has no event for what is printed there."""
LINE = 500
"""Characters of a line that a message repeats."""
ASKING = 120
"""Seconds of silence after which a question on the console counts as one that nobody answers."""

# Each looks at no character more than a hundred times, whatever a guest prints: a `.*` would.
_STAGES = (
    ("the kernel runs", r"Linux version \d"),
    (
        "the installer is up",
        r"anaconda[ \d.-].{0,100} started|Starting installer|Starting system log daemon|subiquity/",
    ),
    (
        "the answers are read",
        r"Kickstart file fetched|Starting automated install|preconfiguration file|autoinstall: ",
    ),
    ("it loads its components", r"Loading additional components"),
    (
        "the disk is partitioned",
        r"Starting partitions formatting|Partitions? formatting|Creating \w+ on /dev/",
    ),
    (
        "the system is unpacked",
        r"Installing the base system|Starting package installation|Installing software",
    ),
    ("the boot loader is put in", r"[Ii]nstalling (the )?(GRUB )?boot ?loader"),
    ("the installation is complete", r"Installation complete|[Ff]inishing the installation|subiquity/Late/"),
    ("it restarts", r"reboot: (Restarting system|machine restart)|Sent SIGKILL to all processes"),
    ("it powers off", r"reboot: (Power down|System halted)"),
)
"""What is told, and how Linux, Anaconda, Debian's installer and Subiquity say it on a console."""
_TROUBLE = (
    r"Kernel panic - not syncing",
    r"(You are in|Entering) emergency mode",
    r"Warning: Could not boot\.",  # dracut's, before it gives a shell
    r"finish: subiquity/(Early/run|Install/install|Late/run): FAIL",
    r"Pane is dead",
    r"(The following error|An error) occurred (while|during) ",
    r"An unknown error has occurred",
    r"Unable to (open|read) (the )?kickstart|(?P<end>can't (open|find) kickstart)",
)
_QUESTIONS = (
    r"\[!!\]",  # debconf's mark of a question of critical priority, where it draws windows
    r"Please make (your|a) selection|Please make your choice",
    r"Continue with autoinstall\? \(yes\|no\)",
)
_UNDERLINE = re.compile(r"\n-{3,}\n")
"""Where debconf writes lines: a title is underlined, and in nearly all languages > or ] ends a prompt."""
_END = re.compile(r"reboot: (Restarting system|machine restart|Power down|System halted)")
"""kernel/reboot.c: the last that Linux says."""
_HALTED = "reboot: System halted"
"""Linux has let go of its disks, and leaves the VM on."""
_WAITS = re.compile(
    r"Installation complete\.? Press ENTER to quit:?"  # Anaconda, unless it was told to restart
    r"|Please remove the installation medium, then press ENTER:?"  # Ubuntu's
)
"""How an installer that is done waits for somebody to press a key."""
OFF_SECONDS = 120
"""How long a system has to switch itself off when it is told to; meanwhile Linux writes what it has kept."""


def stages(text: str) -> list[str]:
    r"""List which stages a console tells of, in the order in which it first does.

    Examples
    --------
    >>> stages("[ 0.0] Linux version 6.1.0\n[ 60.1] reboot: Restarting system\\n")
    ['the kernel runs', 'it restarts']
    """
    found = {what: match.start() for what, words in _STAGES if (match := re.search(words, text))}
    return sorted(found, key=found.__getitem__)


def trouble(text: str) -> str:
    """Give the line that says that an installer cannot go on; empty if there is none.

    Examples
    --------
    >>> trouble("[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs")
    'Kernel panic - not syncing: VFS: Unable to mount root fs'
    """
    return _first(_TROUBLE, text)


def question(text: str) -> str:
    """Give the question that a console ends with; empty if there is none.

    Examples
    --------
    >>> question("Continue with autoinstall? (yes|no)")
    'Continue with autoinstall? (yes|no)'
    """
    end = text[-4096:].rstrip()
    if end.endswith((">", "]")) and _UNDERLINE.search(end):
        return " ".join(end.rpartition("\n\n")[2].split())
    return _first(_QUESTIONS, end)


def _first(patterns: tuple[str, ...], text: str) -> str:
    """Give the line of the first that is found, from there on; the whole line of what ends a sentence."""
    found = re.search("|".join(patterns), text)
    if not found:
        return ""
    before = text[max(0, found.start() - LINE) : found.start()].rpartition("\n")[2]
    line = text[found.start() : found.end() + LINE].partition("\n")[0]
    return " ".join(f"{before if found.groupdict().get('end') else ''}{line}".split())


def ended_by_itself(text: str) -> bool:
    """Whether the last that a console tells of is the end of a Linux, or an installer that is done."""
    return any(_END.search(line) for line in text.splitlines()[-20:]) or bool(stays_on(text))


def stays_on(text: str) -> str:
    r"""Give the line by which an installer that is done says that it leaves the VM on; empty if it is not so.

    Examples
    --------
    >>> stays_on("Installation complete. Press ENTER to quit:\n")
    'Installation complete. Press ENTER to quit:'
    """
    last = text[-4096:].rstrip().rpartition("\n")[2].strip()
    return last if last.endswith(_HALTED) or _WAITS.fullmatch(last) else ""


def last_words(text: str, lines: int = 12) -> str:
    """Give the last lines of a console that say something."""
    said = [line.rstrip()[:LINE] for line in text.splitlines() if line.strip()]
    return "\n".join(said[-lines:]) or "(nothing)"


@dataclass
class Timeline:
    """When what happened: each told once, in seconds since it began."""

    began: float = field(default_factory=time.monotonic)
    rows: list[tuple[float, str]] = field(default_factory=list)

    def saw(self, what: str) -> None:
        """Note it, unless it has been."""
        if what not in [known for _, known in self.rows]:
            self.rows.append((time.monotonic() - self.began, what))
            note(f"{self.rows[-1][0]:.0f} s", what)


def read_console(host: Host, log: str) -> str:
    """Read the end of a VM's console log; empty if there is none, or it may not be read."""
    if not log:
        return ""
    # Bytes that are no text may be in it; a terminal's, too.
    said = host.run(["tail", "-c", str(LOG_BYTES), "--", log], ok=False).stdout
    return readable(said.encode("utf-8", errors="replace"))


@contextlib.contextmanager
def wakened(host: Host, name: str) -> Iterator[threading.Event]:
    """Give an event that is set whenever libvirt tells of a change in the life of a VM, or of its agent."""
    woken = threading.Event()
    if host.practice:
        yield woken
        return

    def told(_connection: libvirt.virConnect, dom: libvirt.virDomain, *_: object) -> None:
        if dom.name() == name:
            woken.set()

    connection = host.listening(woken.set)
    try:
        for kind in (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE):
            connection.domainEventRegisterAny(None, kind, told, None)
        yield woken
    finally:
        with contextlib.suppress(libvirt.libvirtError, Stuck):  # it may be broken, or hang
            connection.unregisterCloseCallback()
        with contextlib.suppress(libvirt.libvirtError, Stuck):
            connection.close()


class Watch:
    """A running installer.

    Parameters
    ----------
    host, name, log
        Where, which VM, and where its console is logged.
    attended
        Whether a person answers, who may take any time for it.

    Attributes
    ----------
    fetches
        What it has asked for over HTTP, as it happens.
    """

    fetches: Sequence[Fetch] = ()

    def __init__(self, host: Host, name: str, log: str, *, attended: bool = False) -> None:
        self.host, self.name, self.log, self.attended = host, name, log, attended
        self.timeline = Timeline()
        self.text = ""
        self._changed = time.monotonic()
        self._cannot = ""
        self._told_off = 0.0

    def wait(self, woken: threading.Event, left: float, timeout: float) -> None:
        """Wait until the VM is off, for the seconds that are `left` of its `timeout`.

        Raises
        ------
        InstallFailed
            It says that it cannot go on, asks what nobody answers, finds no room, or takes too long.
        """
        deadline = time.monotonic() + left
        while self._runs():
            if time.monotonic() > deadline:
                raise InstallFailed(f"the installer had {timeout:.0f} s and has not ended. {self.said()}")
            safe_point()
            woken.wait(LOOK)
            woken.clear()
        self._look(last=True)

    def _runs(self) -> bool:
        """Whether the VM runs, after a look at its console; a host that does not answer is waited for."""
        try:
            with self.host.reading(f"look for VM {self.name}") as connection:
                domain = find_domain(connection, self.name)
                active = domain is not None and bool(domain.isActive())
                stuck = disk_trouble(domain) if domain is not None else ""
            self._look()
        except (HostUnavailable, LibvirtFailed) as error:
            self.timeline.saw(f"no answer: {error}")
            return True
        if stuck:
            raise InstallFailed(f"the VM is paused: {stuck}; then install it again. {self.said()}")
        if active and (line := stays_on(self.text)):
            self._switch_off(line)
        return active

    def _switch_off(self, line: str) -> None:
        """Switch off a VM whose installer is done and would wait for ever; a person may do it before."""
        now = time.monotonic()
        if now < self._changed + (ASKING if self.attended else LOOK):
            return
        self.timeline.saw(f"the installer is done, and the VM is switched off: {line}")
        with self.host.changing(f"switch off VM {self.name}") as connection:
            domain = connection.lookupByName(self.name)
            if _HALTED in line or (self._told_off and now > self._told_off + OFF_SECONDS):
                domain.destroy()
            elif not self._told_off:
                self._told_off = now
                domain.shutdown()

    def _look(self, *, last: bool = False) -> None:
        text = read_console(self.host, self.log)
        if text != self.text:
            self.text, self._changed = text, time.monotonic()
        for fetch in [*self.fetches]:
            self.timeline.saw(f"{fetch.name} is {'fetched' if fetch.given else 'refused'}: {fetch.peer}")
        for stage in stages(text):
            self.timeline.saw(stage)
        if self._cannot or (last and trouble(text)):
            raise InstallFailed(f"the installer cannot go on: {trouble(text)}. {self.said()}")
        self._cannot = trouble(text)  # why is what it prints next: told at the next look
        silent = time.monotonic() - self._changed
        if not self.attended and silent > ASKING and (asked := question(text)):
            raise InstallFailed(
                f"the installer asks, and nobody answers: {asked}. The answers lack it, or something went "
                f"wrong before. {self.said()}"
            )

    def said(self) -> str:
        """Give the last lines of its console, as the end of a message."""
        return f"The last on its console:\n{last_words(self.text)}\n"
