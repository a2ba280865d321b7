"""The ways to a file: http, https, ftp, or a folder of this machine.

By the standard library: urllib speaks http and https, and ftplib ftp, where it can go on in the middle
of a file.
"""

from __future__ import annotations

import contextlib
import errno
import ftplib
import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from kvmkit.errors import BadSource, KvmkitError, NotFound

__all__ = [
    "PORTS",
    "SILENCE",
    "Seen",
    "anybodys",
    "folder_of",
    "join",
    "local_path",
    "opened",
    "scrubbed",
    "shown",
    "url_problem",
    "why",
]

PORTS = {"http": 80, "https": 443, "ftp": 21}
SILENCE = 20.0
"""Seconds for which a server may say nothing."""


@dataclass(frozen=True)
class Seen:
    """What is said of a file: its size in bytes (-1: not said), and what changes with its content."""

    size: int
    version: str
    place: str = field(compare=False, repr=False)
    """Where it was found in the end: the next redirect may lead to another mirror."""


@dataclass(frozen=True)
class Opened:
    """A file that is being read."""

    seen: Seen
    start: int
    """Where reading begins: not every server begins where it is asked to."""
    read: Callable[[int], bytes]


def url_problem(location: str) -> str:
    """Say what is wrong with a location as such; empty if nothing is.  It never repeats a password."""
    if not location.isprintable() or len(location) > 2048:
        return "one line of at most 2048 printable characters, please"
    if local_path(location):
        return ""
    try:
        parts = urlsplit(location)
        _ = parts.port
    except ValueError:
        return "not a URL"
    if parts.password is not None or (parts.username is not None and parts.scheme in ("http", "https")):
        return "no password in a URL, please: it would be shown and kept"
    if parts.scheme not in PORTS or not parts.hostname or " " in location or not location.isascii():
        return "an http, https or ftp URL without blanks, or a path of this machine, which begins with '/'"
    return ""


def local_path(location: str) -> Path | None:
    """Give the path that a location names on this machine; None for a URL."""
    if location.startswith("/"):
        return Path(location)
    return Path(unquote(location[7:])) if location.startswith("file:///") else None


def anybodys(location: str) -> bool:
    """Whether a location is reached by an open line, on which anybody between can change what comes."""
    return urlsplit(location).scheme in ("http", "ftp")


def join(location: str, path: str) -> str:
    """Name a file below a location."""
    if local_path(location):
        return str(local_path(location)) + "/" + path
    parts = urlsplit(location)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/" + quote(path), query="", fragment=""))


def folder_of(location: str) -> tuple[str, str]:
    """Give the location of the folder that a file is in, and its name."""
    if path := local_path(location):
        return str(path.parent), path.name
    parts = urlsplit(location)
    folder, _, name = parts.path.rpartition("/")
    return urlunsplit(parts._replace(path=folder, query="", fragment="")), unquote(name)


def shown(location: str) -> str:
    """Give a location as it may be shown: without login and query, which may let others in."""
    if local_path(location):
        return location
    try:
        parts = urlsplit(location)
    except ValueError:
        return "a URL that is none"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def scrubbed(text: str) -> str:
    """Give what somebody said, with each URL in it as it may be shown."""
    return re.sub(r"\w+://[^\s'\"<>]+", lambda found: shown(found[0]), text)


@contextlib.contextmanager
def opened(location: str, start: int = 0) -> Iterator[Opened]:
    """Open a file from `start` on, or from its beginning where that can't be had."""
    way = [location]
    with contextlib.ExitStack() as stack:
        with _explained(way):
            if path := local_path(location):
                found = _open_local(stack, path, start)
            elif urlsplit(location).scheme == "ftp":
                found = _open_ftp(stack, location, start)
            else:
                found = _open_http(stack, way, start)

        def read(number: int) -> bytes:
            with _explained(way):
                return found.read(number)

        yield Opened(found.seen, found.start, read)


def _open_local(stack: contextlib.ExitStack, path: Path, start: int) -> Opened:
    file = stack.enter_context(path.open("rb"))
    file.seek(start)
    stat = path.stat()
    return Opened(Seen(stat.st_size, str(stat.st_mtime_ns), str(path)), start, file.read)


def _open_ftp(stack: contextlib.ExitStack, url: str, start: int) -> Opened:
    parts = urlsplit(url)
    ftp = ftplib.FTP(timeout=SILENCE)  # noqa: S321 - the article's mirror speaks it; a checksum is what makes it safe
    stack.callback(ftp.close)
    ftp.connect(parts.hostname or "", parts.port or PORTS["ftp"])
    ftp.login(unquote(parts.username or ""))
    ftp.voidcmd("TYPE I")
    path = unquote(parts.path.lstrip("/"))
    size = ftp.size(path)
    changed = ""
    with contextlib.suppress(ftplib.error_perm):  # not every server tells
        changed = ftp.voidcmd(f"MDTM {path}")
    line = stack.enter_context(contextlib.closing(ftp.transfercmd(f"RETR {path}", rest=start or None)))
    return Opened(Seen(-1 if size is None else size, changed, url), start, line.recv)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow to http and https alone, and never from a protected line to an open one; `way` is told."""

    def __init__(self, way: list[str]) -> None:
        self._way = way

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        allowed = ("https",) if req.type == "https" else ("http", "https")
        if urlsplit(newurl).scheme not in allowed:
            raise BadSource(f"{shown(req.full_url)} leads to {shown(newurl)[:200]}: it is not followed")
        self._way.append(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(way: list[str]) -> urllib.request.OpenerDirector:
    # Not build_opener, which would add file: and data:.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(way),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "kvmkit"), ("Accept-Encoding", "identity")]
    return opener


def _open_http(stack: contextlib.ExitStack, way: list[str], start: int) -> Opened:
    opener = _opener(way)
    if start:
        opener.addheaders.append(("Range", f"bytes={start}-"))
    answer = stack.enter_context(opener.open(way[0], timeout=SILENCE))
    headers = answer.headers
    version = headers.get("ETag") or headers.get("Last-Modified") or ""
    size = int(headers.get("Content-Length", -1))
    if answer.status != http.client.PARTIAL_CONTENT:
        return Opened(Seen(size, version, answer.url), 0, answer.read1)
    # Content-Range: bytes 1048576-4194303/4194304
    begins, _, whole = headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    seen = Seen(int(whole), version, answer.url)
    return Opened(seen, int(begins.split("-")[0]), answer.read1)


@contextlib.contextmanager
def _explained(way: list[str]) -> Iterator[None]:
    """Say what is wrong in the words of a person; the last on the way to a file is its server."""
    try:
        yield
    except KvmkitError:
        raise
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise NotFound(f"{_told(way)} is not there: its server answers, and says {error.code}") from error
        if 300 <= error.code < 400:
            raise BadSource(
                f"{_told(way)} leads on without end, or to what is no http: it is not followed"
            ) from error
        raise BadSource(f"{_told(way)}: its server says {error.code} {error.reason}") from error
    except ftplib.error_perm as error:
        if str(error).startswith("550"):
            raise NotFound(f"{_told(way)} is not there: its server answers, and says {error}") from error
        raise BadSource(f"{_told(way)}: its server says {error}") from error
    except (OSError, EOFError, ValueError, http.client.HTTPException, ftplib.Error) as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise NotFound(f"{way[0]} is not there") from error
        raise BadSource(f"{_told(way)}: {why(error, way[-1])}") from error


def _told(way: list[str]) -> str:
    """Name a file, and where it is after a redirect."""
    return shown(way[0]) if len(way) == 1 else f"{shown(way[-1])}, where {shown(way[0])} leads to,"


def why(error: BaseException, location: str) -> str:
    """Say which part of the way to a server is wrong: name, route, port, certificate, or the server."""
    reason = getattr(error, "reason", None)
    error = reason if isinstance(reason, BaseException) else error
    parts = urlsplit(location)
    name, port = parts.hostname, parts.port or PORTS.get(parts.scheme, 0)
    match error:
        case socket.gaierror():
            text = f"the name {name} does not resolve ({error.strerror})"
        case ConnectionRefusedError():
            text = f"nothing listens on port {port} of {name}"
        case ssl.SSLCertVerificationError():
            text = f"the certificate of {name} is not valid: {error.verify_message}"
        case TimeoutError():
            text = f"port {port} of {name} is silent for {SILENCE:g} s: nobody there, or a firewall"
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH):
            text = f"there is no route to {name} ({error.strerror})"
        case ConnectionError() | EOFError() | http.client.HTTPException():
            text = f"the server on port {port} of {name} broke off ({str(error) or type(error).__name__})"
        case _:
            text = str(error) or type(error).__name__
    return text
