"""Where kvmkit keeps what must outlive a process."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["state_folder", "write_whole"]


def state_folder() -> Path:
    """Make ``$XDG_STATE_HOME/kvmkit``, for this user's eyes only (XDG base directory specification)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(base) / "kvmkit"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a killed process leaves the old one or the new one, never a part."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
