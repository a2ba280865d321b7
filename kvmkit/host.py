"""connect() and Host: the commands and the libvirt connection of one machine."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit, urlunsplit

import libvirt

from kvmkit.calls import Calls, within
from kvmkit.commands import Follow, Local, Result, Runner, Ssh, check
from kvmkit.errors import HostUnavailable, InvalidURI, LibvirtFailed, Unsupported
from kvmkit.events import run_event_loop
from kvmkit.practice import Practice
from kvmkit.safe import one_line

__all__ = ["Host", "connect"]

PRACTICE_URI = "test:///default"
URIS = "test:///default (practice), qemu:///system, qemu:///session, qemu+ssh://USER@HOST[:PORT]/system"
NAME = re.compile(r"[A-Za-z0-9_.:][A-Za-z0-9_.:-]*")
"""A host's name or address."""
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]*")
"""An account, also one of a directory: ``ann@corp.example``, ``CORP\\ann``."""
HERE, THERE = {"socket", "mode"}, {"keyfile", "command", "no_verify", "no_tty"}
"""Names behind the ? of a URI that are taken, of a local one and over SSH; libvirt knows more."""
PASSWORD = re.compile(r":(?!//).*@", re.DOTALL)
"""Where one may be, also in what is no URI."""
OPENING = 60
"""Seconds that libvirt's daemon has to answer in; one that is started by its socket takes a while."""
ASKING = 30
"""Seconds that a connection which is there has to answer in, before a new one is opened."""
JUST_NOW = 10
"""Seconds for which a host that ran a command is taken to be still there."""
KEEP_ALIVE = 10, 4
"""Seconds between questions to a host that is silent, and how many go unanswered before it counts as lost.

libvirt then ends every call of that connection, each with an error: without it they would wait for ever.
"""

_hosts: dict[str, Host] = {}


class Host:
    """One machine that runs VMs.  Made by :func:`connect`.

    Attributes
    ----------
    uri
        The libvirt URI that names it.
    practice
        The practice host's state; None on a real host.
    """

    def __init__(self, uri: str, runner: Runner | None = None) -> None:
        self.uri = uri
        self.practice: Practice | None = None
        self._runner = runner
        self._idle: list[Calls] = []
        self._held = threading.local()
        self._answered = float("-inf")
        if runner is None and uri == PRACTICE_URI:
            self.practice = Practice()
        elif runner is None:
            self._runner = _runner(uri)

    def __repr__(self) -> str:
        return one_line(f"<Host {self.uri}>")

    @property
    def is_session(self) -> bool:
        """Whether the VMs run as the user who connects (``qemu:///session``)."""
        return urlsplit(self.uri).path == "/session"

    @property
    def ssh(self) -> Ssh | None:
        """The SSH target; None on a local or practice host."""
        return self._runner if isinstance(self._runner, Ssh) else None

    def networked(self) -> Host:
        """Give the host whose commands see and change the network: itself; its sandbox on the practice host.

        Raises
        ------
        Unsupported
            This machine allows the practice host no network; the message has its words.
        """
        return Host(self.uri, self.practice.sandbox()) if self.practice else self

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        timeout: float = 60,
        ok: bool = True,
        fresh: bool = False,
        follow: Follow | None = None,
    ) -> Result:
        """Run a command on the host.

        Parameters
        ----------
        argv
            The command and its arguments; never a shell string.
        stdin
            What it reads.
        timeout
            Seconds after which it is killed, whatever its children do.
        ok
            Whether a non-zero exit code is an error.
        fresh
            Whether to make a new connection for it, which shows that the host can be reached now. It gives
            up after 3 seconds.
        follow
            Is told each line that it prints, soon after it is printed.

        Raises
        ------
        CommandFailed, CommandTimeout, HostUnavailable
            Carrying argv, exit code, stdout, stderr and host.
        Unsupported
            On the practice host, which runs no commands.
        """
        if self._runner is None:
            raise Unsupported(
                f"the practice host runs no commands: {argv[0]} needs a real host, such as {URIS}"
            )
        runner = self._runner
        if fresh and isinstance(runner, Ssh):
            runner = replace(runner, fresh=True)
        result = runner.run(argv, stdin, timeout, follow)
        self._answered = time.monotonic()
        return check(result, argv, self.uri) if ok else result

    @contextlib.contextmanager
    def reading(self, doing: str) -> Iterator[libvirt.virConnect]:
        """Give the libvirt connection for reading; `doing` says what for, should libvirt fail.

        Raises
        ------
        HostUnavailable
            No daemon answers.
        LibvirtFailed
            libvirt's own words, with `doing` and the host.
        Stuck
            It waits for something that hangs; each call ends.
        """
        with self._taken() as connection:
            try:
                yield connection
            except libvirt.libvirtError as error:
                raise LibvirtFailed(f"cannot {doing} on {self.uri}: {error.get_error_message()}") from error

    @contextlib.contextmanager
    def changing(self, doing: str) -> Iterator[libvirt.virConnect]:
        """Give the libvirt connection for a change; the practice host keeps what it made.

        Raises
        ------
        HostUnavailable, LibvirtFailed
            As :meth:`reading`.
        """
        kept = self.practice.changing() if self.practice else contextlib.nullcontext()
        with kept, self.reading(doing) as connection:
            yield connection

    def listening(self, lost: Callable[[], None]) -> libvirt.virConnect:
        """Open a connection of the caller's own that brings events and streams; the caller closes it.

        Not the shared one: that may have been opened before libvirt's event loop ran, and it can tell
        one listener alone that the host is lost.

        Parameters
        ----------
        lost
            Called once the host no longer answers, in the thread of the event loop.

        Raises
        ------
        HostUnavailable
            No daemon answers.
        """
        connection = Calls(self._connected(), self.uri).connection
        connection.registerCloseCallback(lambda *_: lost(), None)
        return connection

    @contextlib.contextmanager
    def _taken(self) -> Iterator[libvirt.virConnect]:
        """Give this thread a connection that no other thread uses meanwhile.

        Threads that share one wait for each other's calls, and libvirt's library before 10.4 has a race
        (CVE-2024-4418) that ends the process.
        """
        held: Calls | None = getattr(self._held, "calls", None)
        if self.practice:
            yield self.practice.connection()
        elif held and not held.stuck and held.raw.isAlive():
            yield held.connection
        else:
            calls = self._open()
            self._held.calls = calls
            try:
                yield calls.connection
            finally:
                self._held.calls = held
                if not calls.stuck:  # one on which a call hangs takes only a few more
                    self._idle.append(calls)

    def _open(self) -> Calls:
        while self._idle:
            calls = self._idle.pop()
            # A daemon that was restarted is only noticed by asking it something.
            with contextlib.suppress(libvirt.libvirtError, TimeoutError):
                within(ASKING, calls.raw.getLibVersion)
                return calls
        return Calls(self._connected(), self.uri)

    def _connected(self) -> libvirt.virConnect:
        # A command first: bounded in time and clear about keys and logins, which libvirt's ssh is not.
        if self.ssh and time.monotonic() - self._answered > JUST_NOW:
            self.run(["true"])
        try:
            return _opened(self.uri)
        except HostUnavailable:
            said = self.run(["true"]).stdout.strip() if self.ssh else ""
            if not said:
                raise
            raise HostUnavailable(
                f"the login shell on {self.uri} says {said.splitlines()[0][:80]!r} before any command, which "
                "libvirt takes for its answer: have ~/.bashrc (or the like) there say that on terminals alone"
            ) from None


def connect(uri: str) -> Host:
    """Name a host; it is first contacted when something is asked of it.

    Parameters
    ----------
    uri
        A libvirt URI (https://libvirt.org/uri.html): ``test:///default`` is the
        practice host; ``qemu:///system``, ``qemu:///session`` and
        ``qemu+ssh://root@kvm1[:22]/system`` are real ones.  The SSH parameters
        ``keyfile`` and ``command`` count for libvirt and for commands alike. ``command`` is a program of
        this machine that is run: take a URI only from whom you would take a command.

    Returns
    -------
    Host
        The same object for the same URI, so that its connection is shared.

    Raises
    ------
    InvalidURI
        If no host can be reached that way.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.connect("test:///default")
    <Host test:///default>
    >>> kk.connect("vmware://esx1")
    Traceback (most recent call last):
      ...
    kvmkit.errors.InvalidURI: 'vmware://esx1' is not a URI kvmkit can use; use one of: test:///default \
(practice), qemu:///system, qemu:///session, qemu+ssh://USER@HOST[:PORT]/system
    """
    if uri not in _hosts:
        # libvirt's default handler prints every error to stderr, and so into the notebook.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        _hosts[uri] = Host(uri)
    return _hosts[uri]


def _runner(uri: str) -> Runner:
    shown = PASSWORD.sub(":…@", uri)
    refused = InvalidURI(f"{shown!r} is not a URI kvmkit can use; use one of: {URIS}")
    # urlsplit drops newlines and tabs, libvirt does not.
    if not uri.isprintable() or " " in uri:
        raise refused
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise refused from None
    if parts.password is not None:
        raise InvalidURI("no password in a URI, please: it would be shown and kept; use an SSH key")
    try:
        port = parts.port or 0
    except ValueError:
        raise refused from None
    if parts.path not in ("/system", "/session"):
        raise refused
    local = parts.scheme in ("qemu", "qemu+unix") and not parts.netloc
    query = _query(uri, parts, HERE if local else THERE)
    if local:
        return Local(uri)
    name = parts.hostname or ""
    user = unquote(parts.username or "")
    # A word that begins with a dash would be an option to ssh.
    if parts.scheme != "qemu+ssh" or not NAME.fullmatch(name) or (user and not USER.fullmatch(user)):
        raise refused
    if query.get("no_verify", "0") != "0":
        raise InvalidURI(
            f"{uri!r} asks not to verify the host's key; add it to known_hosts (ssh-keyscan) instead"
        )
    target = f"{user}@{name}" if user else name
    return Ssh(uri, target, port, query.get("keyfile", ""), query.get("command", "ssh"))


def _query(uri: str, parts: SplitResult, allowed: set[str]) -> dict[str, str]:
    """Read what stands behind the ?, as libvirt reads it: names in any case, `;` as good as `&`."""
    given = [part.partition("=") for part in re.split("[&;]", parts.query) if part]
    names = [unquote(name).lower() for name, _, _ in given]
    if parts.fragment or not allowed.issuperset(names) or len(set(names)) != len(names):
        raise InvalidURI(
            f"{uri!r} is not taken: behind its ? it may have {', '.join(sorted(allowed))}, each once, and "
            "nothing else, as libvirt and ssh have to reach the same host in the same way"
        )
    return {name: unquote(value) for name, (_, _, value) in zip(names, given, strict=True)}


def _opened(uri: str) -> libvirt.virConnect:
    """Open libvirt's connection, whose calls end with an error when the daemon falls silent."""
    run_event_loop()
    try:
        connection = within(OPENING, lambda: libvirt.open(_libvirt_uri(uri)))
        connection.setKeepAlive(*KEEP_ALIVE)
    except TimeoutError:
        raise HostUnavailable(
            f"libvirt does not answer on {uri}: nothing came in {OPENING} s. Its daemon hangs, or is still "
            "starting: restart it there with `systemctl restart libvirtd` (or `virtqemud`, where the daemons "
            "are modular); VMs run on meanwhile."
        ) from None
    except libvirt.libvirtError as error:
        raise HostUnavailable(
            f"libvirt does not answer on {uri}: {error.get_error_message()}. Start it there with "
            "`systemctl start libvirtd` (or `virtqemud.socket`, where the daemons are modular; `journalctl "
            "-u libvirtd` says why one does not stay up); kk.check_host(host) says what is missing."
        ) from error
    return connection


def _libvirt_uri(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme != "qemu+ssh":
        return uri
    query = _query(uri, parts, THERE) | {"no_tty": "1"}
    return urlunsplit(parts._replace(query=urlencode(query, safe="/", quote_via=quote)))
