"""How ksvalidator runs for kvmkit: it warns as Anaconda does, and no copy of what it reads gets onto a disk.

Python reads a module of this name before a program. What it changes are functions of the standard library
that ksvalidator calls; nothing of pykickstart is imported.
"""

# ruff: noqa: INP001 - no part of a package: ksvalidator finds it by its folder

import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

_filter = warnings.filterwarnings
_opened: list[int] = []


def _never_fatal(action: Any, *args: Any, **options: Any) -> None:
    """Keep warnings what they are: ksvalidator would make errors of them, and read no further."""
    _filter("always" if action == "error" else action, *args, **options)


def _tell(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Say a warning with the line of the kickstart that its parser is at."""
    if not category.__name__.startswith("Kickstart"):
        return
    frame, number = sys._getframe(), 1  # noqa: SLF001 - warnings do not tell which line of the kickstart it is
    while frame.f_back:
        frame = frame.f_back
        if frame.f_code.co_name == "_stateMachine":
            number = frame.f_locals["lineno"]
    sys.stderr.write(f"warning of line {number}: {' '.join(str(message).split())}\n")


def _in_memory(*_: Any, **__: Any) -> tuple[int, str]:
    """Stand for tempfile.mkstemp: a file that goes with its process, whatever kills it."""
    _opened.append(os.memfd_create("kickstart"))
    return os.dup(_opened[-1]), f"/proc/{os.getpid()}/fd/{_opened[-1]}"


def _linked(source: str, destination: str) -> str:
    """Stand for shutil.copyfile: the copy is a link to a file in memory."""
    number, path = _in_memory()
    with Path(source).open("rb") as old, os.fdopen(number, "wb") as new:
        shutil.copyfileobj(old, new)
    Path(destination).symlink_to(path)
    return destination


warnings.filterwarnings = _never_fatal
warnings.showwarning = _tell
tempfile.mkstemp = _in_memory  # type: ignore[assignment]
shutil.copyfile = _linked  # type: ignore[assignment]
