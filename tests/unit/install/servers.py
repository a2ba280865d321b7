"""Real servers of files on loopback: good ones, and ones that fail in each way that servers do."""

import contextlib
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore", DeprecationWarning
    )  # of asyncore, which it has a copy of from Python 3.12 on
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import FTPServer


class Handler(BaseHTTPRequestHandler):
    """Serves the files of a folder, and parts of them as RFC 9110 has it, unless told to fail."""

    server: "Files"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range", "")))
        path = unquote(self.path.partition("?")[0])
        if to := self.server.moved.get(path):
            self.send_response(302)
            self.send_header("Location", to)
            self.end_headers()
            return
        file = self.server.folder / path.lstrip("/")
        if code := self.server.codes.get(path, 0 if file.is_file() else 404):
            self.send_error(code)
            return
        self._send(path, file.read_bytes())

    def _send(self, path: str, data: bytes) -> None:
        wanted = self.headers.get("Range", "").removeprefix("bytes=").partition("-")[0]
        start = int(wanted) if wanted and self.server.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        if self.server.version:
            self.send_header("ETag", f'"{self.server.version}"')
        self.end_headers()
        for place in range(start, len(data), 65536):
            if self.server.before(path, place):
                return
            self.wfile.write(data[place : place + 65536])

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # who only looks goes away in the middle
            super().handle()

    def log_message(self, *args: object) -> None:
        pass


class Files(ThreadingHTTPServer):
    """An http server of a folder's files.

    Attributes
    ----------
    asked
        Path and range of every request.
    moved, codes
        Path to where it leads, and to the code that it is answered with.
    version, ranges
        The ETag of every file, and whether parts of files can be asked for.
    before
        Called before bytes from a place of a file on are sent; whether to break off there.
    """

    daemon_threads = True

    def __init__(self, folder: Path, address: str) -> None:
        super().__init__((address, 0), Handler)
        self.folder = folder
        self.asked: list[tuple[str, str]] = []
        self.moved: dict[str, str] = {}
        self.codes: dict[str, int] = {}
        self.version = "1"
        self.ranges = True
        self.before: Callable[[str, int], bool] = lambda path, place: False

    def url(self, path: str = "") -> str:
        return f"http://{self.server_address[0]!s}:{self.server_port}/{path}"


@contextlib.contextmanager
def http_files(folder: Path, address: str = "127.0.0.2") -> Iterator[Files]:
    with Files(folder, address) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def ftp_files(folder: Path, address: str = "127.0.0.3") -> Iterator[str]:
    """Serve a folder to anybody by ftp; gives its URL."""
    authorizer = DummyAuthorizer()
    authorizer.add_anonymous(str(folder))
    handler = type("Handler", (FTPHandler,), {"authorizer": authorizer})
    server = FTPServer((address, 0), handler)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            server.serve_forever(timeout=0.05, blocking=False, handle_exit=False)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"ftp://{address}:{server.address[1]}"
    finally:
        ended.set()
        thread.join()
        server.close_all()


@contextlib.contextmanager
def silent_server(address: str = "127.0.0.4") -> Iterator[str]:
    """Take connections, and never say a word; gives its URL."""
    with socket.create_server((address, 0)) as listening:
        yield f"http://{address}:{listening.getsockname()[1]}/"


def closed_port(address: str = "127.0.0.5") -> str:
    """Give the URL of a port that nothing listens on."""
    with socket.create_server((address, 0)) as listening:
        return f"http://{address}:{listening.getsockname()[1]}/"


def drip(_path: str, _place: int) -> bool:
    """Send so slowly that nobody would wait for it."""
    time.sleep(0.2)
    return False
