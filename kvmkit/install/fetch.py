"""Files of a source brought to this machine: bounded, resumed, verified."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from kvmkit.errors import BadSource, Busy
from kvmkit.install.transport import Seen, folder_of, local_path, opened, shown
from kvmkit.progress import safe_point, tell

__all__ = ["MIB", "Told", "cached", "digest", "fetch", "first_bytes", "look", "read_small", "size_text"]

MIB = 2**20
SLOWEST = 60.0, 64 * 1024
"""Within so many seconds so many bytes have to come."""
LIMIT = 256 * 2**30
"""Bytes that a file may have at most, where its server does not say how many."""


def look(location: str) -> Seen:
    """Ask for a file without reading it.

    Raises
    ------
    NotFound
        The server answers, but has no such file.
    BadSource
        It does not answer, or not as it should; says which.
    """
    with opened(location) as file:
        return file.seen


def first_bytes(location: str, number: int) -> tuple[Seen, bytes]:
    """Read the beginning of a file; errors as :func:`look`."""
    with opened(location) as file:
        data, deadline = b"", time.monotonic() + SLOWEST[0]
        while len(data) < number and (more := file.read(number - len(data))):
            data += more
            if time.monotonic() > deadline:
                raise BadSource(
                    f"{shown(file.seen.place)} came too slowly: {size_text(len(data))} in {SLOWEST[0]:g} s"
                )
        if len(data) < min(number, file.seen.size):
            whole = size_text(file.seen.size)
            raise BadSource(f"{shown(file.seen.place)} broke off after {size_text(len(data))} of {whole}")
        return file.seen, data


def read_small(location: str, limit: int = MIB) -> str:
    """Read a text file of at most `limit` bytes; errors as :func:`look`."""
    _seen, data = first_bytes(location, limit + 1)
    if len(data) > limit:
        raise BadSource(
            f"{shown(location)} is larger than {size_text(limit)}, and so not what it is taken for"
        )
    return data.decode(errors="replace")


def digest(path: Path, algorithm: str) -> str:
    """Compute a file's checksum."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def fetch(
    location: str, into: Path, checksum: str = "", limit: int = LIMIT, seen: Seen | None = None
) -> Path:
    """Fetch a file; what an earlier, broken attempt has left is gone on with, unless the file changed since.

    Parameters
    ----------
    location
        Where it is.
    into
        Where it is put, once it is whole and verified; the folder is made.
    checksum
        ``sha256:HEX`` or another of hashlib's; empty: nothing is verified but the size.
    limit
        Bytes that it may have at most.
    seen
        What :func:`look` has just given; None: it is looked at.

    Raises
    ------
    NotFound, BadSource
        As :func:`look`; also for a wrong checksum, and if there is no room for it.
    Busy
        Another process is fetching it.
    """
    seen = seen or look(location)
    if seen.size > limit:
        raise BadSource(f"{shown(location)} has {size_text(seen.size)}, more than {size_text(limit)}")
    into.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A checksum says at the end whether all parts are of one file; else the server has to say so before.
    mark = _mark(checksum and f"{checksum} {seen.size}", location, seen)
    part = into.with_name(f".{into.name}.{mark}.part")
    try:
        with FileLock(f"{part}.lock", timeout=0):
            if not (seen.version or checksum):  # nothing tells whether the rest would belong to it
                part.unlink(missing_ok=True)
            _complete(part, seen, limit, checksum)
            try:
                _verify(location, part, checksum)
            except BadSource:
                part.unlink()
                raise
            part.replace(into)
            Path(f"{part}.lock").unlink(missing_ok=True)
    except Timeout:
        raise Busy(f"another process is fetching {shown(location)}: wait for it, then try again") from None
    return into


def cached(location: str, checksum: str = "", limit: int = LIMIT) -> Path:
    """Give a file of this machine with what a location has: fetched once, and kept in the cache.

    Kept under ``$XDG_CACHE_HOME/kvmkit/images`` (XDG base directory specification), until somebody
    deletes it there.  A file of this machine is used where it is.  The rest is as in :func:`fetch`.
    """
    if path := local_path(location):
        look(location)
        _verify(location, path, checksum)
        return path
    # By the checksum alone, where there is one: wherever a file comes from, it is then the same.
    seen = None if checksum else look(location)
    name = re.sub(r"[^\w.+-]", "_", folder_of(location)[1]).lstrip(".")  # a server's word is no path
    path = _cache() / _mark(checksum, location, seen) / (name[-100:] or "file")
    if path.exists() and (checksum or (seen and seen.version)):
        with contextlib.suppress(BadSource):  # somebody changed it there: then it is fetched anew
            _verify(location, path, checksum)
            return path
    return fetch(location, path, checksum, limit, seen)


def _mark(checksum: str, location: str, seen: Seen | None) -> str:
    """Make the part of a name by which files are told apart."""
    return hashlib.sha256((checksum or f"{location} {seen}").encode()).hexdigest()[:16]


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kvmkit" / "images"


def _complete(part: Path, seen: Seen, limit: int, checksum: str) -> None:
    while True:
        had = _size(part)
        try:
            _append(part, seen, limit, checksum)
        except BadSource:
            # Each attempt has to bring something, so that this ends.
            if not (seen.version or checksum) or _size(part) < had + MIB:
                raise
        else:
            return


def _append(part: Path, seen: Seen, limit: int, checksum: str) -> None:
    location = seen.place
    if 0 <= seen.size == _size(part):
        return
    with opened(location, _size(part)) as source, part.open("ab") as file:
        if source.seen.size != seen.size or not (checksum or source.seen == seen):
            raise BadSource(f"{shown(location)} was changed while it was fetched; try again")
        file.truncate(source.start)
        told = Told(f"fetching {folder_of(location)[1]}", seen.size, source.start)
        since, brought = time.monotonic(), 0
        while data := source.read(256 * 1024):
            safe_point()  # what came by then is kept
            _write(file, data)
            told.add(len(data))
            brought += len(data)
            if file.tell() > limit:
                raise BadSource(f"{shown(location)} does not end: more than {size_text(limit)} came")
            if time.monotonic() > since + SLOWEST[0]:
                if brought < SLOWEST[1]:
                    raise BadSource(f"{shown(location)}: only {size_text(brought)} came in {SLOWEST[0]:g} s")
                since, brought = time.monotonic(), 0
        if seen.size not in (-1, file.tell()):
            raise BadSource(
                f"{shown(location)} broke off after {size_text(file.tell())} of {size_text(seen.size)}; "
                "what came is kept, and the next attempt goes on from there"
            )


def _write(file: IO[bytes], data: bytes) -> None:
    try:
        file.write(data)
        file.flush()
    except OSError as error:
        Path(file.name).unlink(missing_ok=True)  # a full disk is to be full no longer
        raise BadSource(f"it cannot be kept as {file.name}: {error.strerror}") from error


def _verify(location: str, path: Path, checksum: str) -> None:
    algorithm, _, wanted = checksum.partition(":")
    if checksum and (found := digest(path, algorithm)) != wanted.lower():
        raise BadSource(
            f"{shown(location)} is not what it should be: its {algorithm} checksum is {found}, not {wanted}"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class Told:
    """Tells whoever watches how far something of a known size has come, a hundred times at most."""

    def __init__(self, doing: str, size: int, done: int = 0) -> None:
        self._doing = doing
        self._size = size
        self._step = max(size // 100, MIB)
        self.done = done

    def add(self, number: int) -> None:
        """Count so many bytes more."""
        before, self.done = self.done, self.done + number
        if before // self._step < self.done // self._step:
            whole = f" of {size_text(self._size)}" if self._size > 0 else ""
            tell(f"{self._doing}: {size_text(self.done)}{whole}")


def size_text(size: int) -> str:
    """Say a number of bytes in a unit that a person can picture."""
    for unit, name in ((2**30, "GiB"), (MIB, "MiB"), (2**10, "KiB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}" if size < 1000 * unit else f"{size / unit:.0f} {name}"
    return f"{size} bytes"
