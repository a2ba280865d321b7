"""How answers get to an installer: inside its RAM disk, on a small CD, or asked for once over HTTP.

All three hand on text that may hold the hashes of passwords. Who calls gives the file that is written to,
one that goes with its process; nothing is logged.
"""

from __future__ import annotations

import io
import ipaddress
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from threading import Lock, Thread, Timer
from typing import BinaryIO

from pycdlib import PyCdlib

from kvmkit.errors import Unsupported

__all__ = ["Fetch", "Served", "inject", "seed_iso", "serve_once"]

REGULAR = 0o100000
"""The kind of a plain file in its mode (inode(7))."""
CLIENT_SECONDS = 30
"""How long a client may be silent."""


def inject(initrd: Path, files: Mapping[str, str], into: BinaryIO) -> None:
    """Write a copy of an initial RAM disk with files added in its root folder.

    The kernel takes several archives in a row, each compressed or not, with zeros between
    them; an uncompressed one begins at a multiple of 4 bytes (the kernel's "initramfs buffer
    format"). So the initrd stays as it is, however it is compressed, and one archive follows.

    Parameters
    ----------
    initrd
        The installer's own.
    files
        Name to text; plain names, without folders.
    into
        An empty file.
    """
    with initrd.open("rb") as old:
        shutil.copyfileobj(old, into)
    into.write(bytes(-into.tell() % 4))
    for number, (name, text) in enumerate(files.items(), 1):
        into.write(_member(name, REGULAR | 0o600, text.encode(), number))
    into.write(_member("TRAILER!!!", 0, b"", 0))


def _member(name: str, mode: int, content: bytes, inode: int) -> bytes:
    """Give one file as it stands in a cpio archive (cpio(5), "New ASCII Format")."""
    path = name.encode() + b"\0"
    # inode, mode, uid, gid, links, mtime, size, device, a special file's device, length of path, checksum
    numbers = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + path
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def seed_iso(files: Mapping[str, str], label: str, into: BinaryIO) -> None:
    """Write an ISO image with files in its root folder.

    Parameters
    ----------
    files
        Name to text; plain names, without folders.
    label
        Its volume id, by which it is found: ``cidata`` by cloud-init's NoCloud, ``OEMDRV`` by
        Anaconda, which takes ``ks.cfg`` from there.
    into
        An empty file.
    """
    image = PyCdlib()
    # Rock Ridge for Linux, Joliet for everybody else: ISO 9660 alone has no name such as user-data.
    image.new(vol_ident=label, rock_ridge="1.09", joliet=3)
    for number, (name, text) in enumerate(files.items(), 1):
        content = text.encode()
        image.add_fp(
            io.BytesIO(content),
            len(content),
            iso_path=f"/FILE{number}.;1",
            rr_name=name,
            joliet_path=f"/{name}",
            file_mode=REGULAR | 0o400,
        )
    image.write_fp(into)
    image.close()


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
        if ipaddress.ip_address(address).is_unspecified:
            raise OSError(0, "it stands for all addresses")
        return _Server(address, files)
    except OSError as error:
        raise Unsupported(
            f"answers cannot be served at {address}: {error.strerror}. They are served at the one address "
            "of this machine that the guest reaches; where it reaches none, have them delivered by "
            "'initrd' or 'seed'"
        ) from None


class _Server(ThreadingTCPServer):
    """Not an HTTPServer, which asks DNS for this machine's name before it serves."""

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

    def stop(self) -> None:
        """Serve nobody from now on."""
        self.shutdown()
        self.server_close()

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
        self.server.served.fetches.append(Fetch(datetime.now(UTC), name, self.client_address[0], given))

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
