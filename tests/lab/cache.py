"""What tests build once and keep outside the repository, and the folders that a run of them needs."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout


def cache(name: str) -> Path:
    """Where things of one kind are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kvmkit" / name


def digest(*recipe: Path | str) -> str:
    """Name what is made by these files and texts: another recipe, another name."""
    found = hashlib.sha256()
    for part in recipe:
        found.update(part.encode() if isinstance(part, str) else part.read_bytes())
    return found.hexdigest()[:16]


def build_once(target: Path, make: Callable[[Path], None]) -> Path:
    """Have `make` fill a folder that becomes `target`, unless that is there; others wait meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_suffix(".lock")):
        if not target.exists():
            part = target.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            try:
                make(part)
                part.rename(target)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return target


def claim_folder(parent: Path) -> tuple[Path, FileLock]:
    """Make a folder of one owner and lock it; remove those whose owner was killed."""
    folders = parent / "running"
    folders.mkdir(parents=True, exist_ok=True)
    with FileLock(parent / "running.lock"):
        for left in folders.iterdir():
            try:
                with FileLock(left / "owner.lock", timeout=0):
                    # An owner that ends right now gives up the lock first, and removes it itself.
                    shutil.rmtree(left, ignore_errors=True)
            except (Timeout, FileNotFoundError):
                continue
        folder = Path(tempfile.mkdtemp(dir=folders))
        lock = FileLock(folder / "owner.lock")
        lock.acquire()
    return folder, lock
