"""What files of a host are, and what they lie on: asked of the host itself, in one round trip."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kvmkit.commands import script
from kvmkit.errors import KvmkitError
from kvmkit.host import Host

__all__ = ["GONE", "File", "Files", "parse_files", "read_files"]

LOOK_SECONDS = 90
"""The script itself gives up before, and names what it did not come to."""
GONE = "gone"
AS_ROOT = """
if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then exec sudo -n sh -s; fi
exec sh -s
"""
"""As root where that asks for no password: images are QEMU's, and seldom anybody's to read."""


@dataclass(frozen=True)
class File:
    """What a path leads to.

    Attributes
    ----------
    identity
        Device and inode, or the number of a block device: alike for all paths of one file. Empty if
        nothing is there, or nobody can tell.
    format
        What the header of an image says: ``qcow``, ``qed``, ``vmdk`` or ``none``; empty: nobody has looked.
    below
        What it lies on: ``raw``, ``any`` or ``device``, and the path or the device's identity. Below
        ``raw`` there is nothing more, whatever a guest wrote there.
    trouble
        Why it cannot be told what this is, or what it lies on, in a word of the script's; ``gone``.
    """

    identity: str = ""
    format: str = "none"
    below: tuple[tuple[str, str], ...] = ()
    trouble: str = ""


@dataclass(frozen=True)
class Files:
    """The files of a host, as far as they matter.

    Attributes
    ----------
    found
        Path to what it leads to.
    listed
        The files in the folders of storage pools.
    closed
        Folder to why it cannot be told what is in it.
    loops
        Loop device to the file behind it.
    """

    found: Mapping[str, File]
    listed: tuple[str, ...] = ()
    closed: Mapping[str, str] = field(default_factory=dict)
    loops: Mapping[str, str] = field(default_factory=dict)


def read_files(host: Host, paths: Iterable[str], folders: Iterable[str]) -> Files:
    """Ask the host for what these paths lead to, what is in these folders, and what that lies on.

    Raises
    ------
    CommandFailed, CommandTimeout, HostUnavailable
        The host cannot be asked.
    KvmkitError
        What it told ends early.
    """
    given = look_script(paths, folders)
    argv = ["sh", "-s"] if host.is_session else ["sh", "-c", AS_ROOT]
    return parse_files(host.run(argv, stdin=given, timeout=LOOK_SECONDS).stdout, where=host.uri)


def look_script(paths: Iterable[str], folders: Iterable[str]) -> str:
    """Give the script that ``sh -s`` runs, with what it is asked."""
    programs = {
        "look": script("vm/look/look.sh"),
        "look_awk": script("vm/look/headers.awk") + script("vm/look/notation.awk"),
        "next_awk": script("vm/look/next.awk"),
    }
    asked = [f"file {_hex(path)}" for path in paths if path.startswith("/") and "\0" not in path]
    asked += [f"folder {_hex(path.rstrip('/') or '/.')}" for path in folders]
    lines = [f"{name}={shlex.quote(text)}" for name, text in programs.items()]
    return "\n".join([*lines, script("vm/look/walk.sh"), "walk <<'ASKED'", *asked, "ASKED", ""])


def parse_files(text: str, *, where: str = "a capture") -> Files:
    """Make facts of what the script printed.

    Raises
    ------
    KvmkitError
        If the end is missing.
    """
    lines = text.splitlines()
    if not lines or lines[-1] != "end":
        raise KvmkitError(
            f"what {where} tells of its files ends early; is its shell a POSIX one, with awk and od?"
        )
    found: dict[str, File] = {}
    listed, closed, loops = [], {}, {}
    for kind, *words in (line.split(" ") for line in lines):
        if kind == "file" and len(words) > 1:
            found[_text(words[0])] = _file(words)
        elif kind == "found":
            listed.append(_text(words[0]))
        elif kind == "folder" and len(words) == 2 and words[1] != "ok":
            closed[_text(words[0])] = words[1]
        elif kind == "loop":
            loops[_text(words[0])] = _text(words[1])
    return Files(found, tuple(listed), closed, loops)


def _file(words: list[str]) -> File:
    _path, identity, _folder, trouble, form, *edges = words
    below = tuple(
        (kind, told if kind == "device" else _text(told))
        for kind, _, told in (e.partition(":") for e in edges)
    )
    below = tuple((kind, f"device:{told}" if kind == "device" else told) for kind, told in below)
    return File("" if identity == "-" else identity, form, below, "" if trouble == "ok" else trouble)


def _hex(path: str) -> str:
    return os.fsencode(path).hex()


def _text(digits: str) -> str:
    return os.fsdecode(bytes.fromhex(digits))
