"""Where kvmkit keeps what must outlive a process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from kvmkit.errors import KvmkitError

__all__ = ["own_folder", "replace_whole", "state_folder", "using", "write_whole"]


@contextlib.contextmanager
def using(path: Path) -> Iterator[None]:
    """Say in one breath what is wrong with a place where something is kept: full, read-only, not ours.

    Raises
    ------
    KvmkitError
        What the system says, and what to do.
    """
    try:
        yield
    except OSError as error:
        raise KvmkitError(
            f"cannot use {path}, where kvmkit keeps what it does: {error.strerror or error}. Nothing is "
            "changed without it: mend that, or set XDG_STATE_HOME to a folder of yours"
        ) from error


def own_folder(path: Path) -> Path:
    """Make a folder for this user's eyes only.

    Raises
    ------
    KvmkitError
        It is somebody else's, or others may write there: what it holds is done to hosts.
    """
    with using(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        whose = f"user {found.st_uid} owns it" if found.st_uid != os.geteuid() else "others may write there"
        raise KvmkitError(
            f"{path}, where kvmkit keeps what it does to hosts, is not yours alone: {whose}. Look into it, "
            f"then `chown` it and `chmod go-w` it, or set XDG_STATE_HOME to a folder of yours"
        )
    return path


def state_folder() -> Path:
    """Make ``$XDG_STATE_HOME/kvmkit`` (XDG base directory specification)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return own_folder(Path(base) / "kvmkit")


def replace_whole(path: Path, content: bytes) -> None:
    """Write a file so that a killed process leaves the old one or the new one, never a part."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file of kvmkit's state; what is wrong with its place is said."""
    with using(path):
        replace_whole(path, content)
