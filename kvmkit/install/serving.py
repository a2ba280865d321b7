"""Answers that are asked for over HTTP: where a guest reaches this machine, and the server there."""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Lock, Thread, Timer
from typing import Any

from kvmkit.errors import Unsupported
from kvmkit.host import Host
from kvmkit.vm.spec import VMSpec
from kvmkit.vm.xml import parse

__all__ = ["Fetch", "Served", "my_address", "serve_once"]

CLIENT_SECONDS = 30.0
"""How long a client may be connected."""
MOST_CLIENTS = 8
"""So many may be connected at a time; who comes then takes the place of who is there longest."""
MOST_FETCHES = 100
"""So many are told; a guest may ask for ever."""


def my_address(host: Host, spec: VMSpec) -> str:
    """Find the address of this machine that a VM of a host sees.

    It is the one from which the host is reached; on the host itself that of the VM's network or bridge.

    Raises
    ------
    Unsupported
        There is none.
    """
    found = next((address for address in _candidates(host, spec) if _ours(address)), "")
    if not found:
        raise Unsupported(
            f"a VM of {host.uri} has no way to this machine, so answers cannot be served to it over http; "
            "delivery='initrd' or 'seed' needs none"
        )
    return found


def _candidates(host: Host, spec: VMSpec) -> Iterator[str]:
    if host.ssh:
        yield from host.run(["sh", "-c", 'echo "$SSH_CONNECTION"']).stdout.split()[:1]  # sshd(8)
    if spec.bridge:
        told = host.run(["ip", "-4", "-o", "address", "show", "dev", spec.bridge, "scope", "global"]).stdout
        yield from (line.split()[3].partition("/")[0] for line in told.splitlines())
    elif spec.network:
        with host.reading(f"look for the address of network {spec.network}") as connection:
            xml = parse(connection.networkLookupByName(spec.network).XMLDesc())
        yield from (element.get("address") for element in xml.iterfind("ip"))


def _ours(address: str) -> bool:
    """Whether it is an address of this machine that can be served at; a host may say anything."""
    if _unfit(address):  # sshd calls a client that came by no network UNKNOWN
        return False
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _unfit(address: str) -> str:
    """Say why nothing is served at an address, by what it is, however it is written; empty: it will do."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # a name, or one of the notations of IPv4 that a socket takes
        return "it is no IP address"
    if isinstance(found, ipaddress.IPv6Address) and (found.ipv4_mapped or found.is_link_local):
        return "it stands for an IPv4 address" if found.ipv4_mapped else "it counts on one link alone"
    if found.is_unspecified or found.is_multicast or found == ipaddress.IPv4Address("255.255.255.255"):
        return "it stands for more than one machine"
    return ""


@dataclass(frozen=True)
class Fetch:
    """Somebody asked for a file that is served.

    Attributes
    ----------
    at
        When, in UTC.
    name
        The file.
    peer
        The address that asked.
    given
        Whether it was given: that is done once.
    """

    at: datetime
    name: str
    peer: str
    given: bool


@dataclass(frozen=True)
class Served:
    """Files that are served.

    Attributes
    ----------
    folder
        The URL of the folder they are in, with a ``/`` at its end.
    urls
        Name to URL. Whoever knows one can ask.
    fetches
        Who asked for what, as it happens.
    """

    folder: str = field(repr=False)
    urls: Mapping[str, str] = field(repr=False)
    fetches: list[Fetch] = field(default_factory=list)


@contextmanager
def serve_once(address: str, files: Mapping[str, str], seconds: float = 3600) -> Iterator[Served]:
    """Serve files over HTTP at one address of this machine, each of them once.

    Their URLs have a random part of 256 bits, so that only who is told can ask. A file whose
    transfer broke off can be asked for again.

    Parameters
    ----------
    address
        The one that the guest reaches.
    files
        Name to text; plain names, without folders.
    seconds
        How long to serve at the most.

    Raises
    ------
    Unsupported
        This machine has no such address.

    Examples
    --------
    >>> from urllib.request import urlopen
    >>> with serve_once("127.0.0.1", {"ks.cfg": "reboot"}) as served:
    ...     text = urlopen(served.urls["ks.cfg"]).read()
    >>> text, [fetch.name for fetch in served.fetches]
    (b'reboot', ['ks.cfg'])
    """
    server = _listening(address, files)
    thread = Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    limit = Timer(seconds, server.stop)
    limit.daemon = True
    thread.start()
    limit.start()
    try:
        yield server.served
    finally:
        limit.cancel()
        server.stop()
        thread.join()


def _listening(address: str, files: Mapping[str, str]) -> _Server:
    try:
        if problem := _unfit(address):
            raise OSError(0, problem)
        return _Server(address, files)
    except OSError as error:
        raise Unsupported(
            f"answers cannot be served at {address}: {error.strerror}. They are served at the one address "
            "of this machine that the guest reaches; where it reaches none, have them delivered by "
            "'initrd' or 'seed'"
        ) from None


class _Server(ThreadingTCPServer):
    """Not an HTTPServer, which asks DNS for this machine's name before it serves.

    A connection has its time, whatever comes by it, and there are never more than a few.
    """

    daemon_threads = True

    def __init__(self, address: str, files: Mapping[str, str]) -> None:
        is_v6 = ":" in address
        self.address_family = socket.AF_INET6 if is_v6 else socket.AF_INET
        super().__init__((address, 0), _Handler)
        host = f"[{address}]" if is_v6 else address
        token = secrets.token_urlsafe(32)
        folder = f"http://{host}:{self.server_address[1]}/{token}/"
        self.served = Served(folder, {name: f"{folder}{name}" for name in files})
        self.names = {f"/{token}/{name}": name for name in files}
        self.left = {name: text.encode() for name, text in files.items()}
        self.lock = Lock()
        self.since: dict[socket.socket, float] = {}

    def server_bind(self) -> None:
        """Bind it; an IPv6 socket takes nothing of IPv4."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Have a thread answer; whoever is connected longest makes room for it."""
        with self.lock:
            while len(self.since) >= MOST_CLIENTS:
                self._cut(min(self.since, key=self.since.__getitem__))
            self.since[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End one that was answered."""
        with self.lock:
            self.since.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut off who takes too long: each second that somebody sends a byte he is not silent."""
        with self.lock:
            for line, since in list(self.since.items()):
                if time.monotonic() > since + CLIENT_SECONDS:
                    self._cut(line)

    def _cut(self, line: socket.socket) -> None:
        """Its thread is told by the socket."""
        del self.since[line]
        with contextlib.suppress(OSError):  # it is gone already
            line.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Serve nobody from now on."""
        self.shutdown()
        self.server_close()
        with self.lock:
            for line in list(self.since):
                self._cut(line)

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "kvmkit", ""
    timeout = CLIENT_SECONDS

    def do_GET(self) -> None:
        """Give a file that is still there; it is there again if it does not get through."""
        name = self.server.names.get(self.path)
        if name is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with self.server.lock:
            content = self.server.left.pop(name, None)
        if content is None:
            self.send_error(HTTPStatus.GONE)
        given = content is not None and self._give(name, content)
        fetches = self.server.served.fetches
        if len(fetches) < MOST_FETCHES:
            fetches.append(Fetch(datetime.now(UTC), name, self.client_address[0], given))

    def _give(self, name: str, content: bytes) -> bool:
        try:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.server.left[name] = content
            return False
        return True

    def log_message(self, *_: object) -> None:
        """Say nothing: a URL is a secret until it was asked for."""
