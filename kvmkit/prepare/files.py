"""Files of the system: written, edited, moved aside; and given back byte for byte."""

from __future__ import annotations

import base64
import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from kvmkit.actions import action
from kvmkit.commands import script
from kvmkit.errors import Conflict
from kvmkit.host import Host
from kvmkit.plan import Step
from kvmkit.prepare import lines
from kvmkit.prepare.root import Root, as_root

__all__ = [
    "diff",
    "edit_file",
    "edited",
    "fingerprint",
    "kept_copy",
    "look",
    "masked",
    "remove_file",
    "text_of",
    "write_file",
]

KEPT = "/var/lib/kvmkit/kept"
"""Where a host keeps what undo gives back. Not in the journal: such a file may hold a password."""

_PASSWORD = re.compile(r"^(\W*\w*passw\w*\s*[=:]\s*)\S.*$", re.IGNORECASE | re.MULTILINE)
_LOGIN = re.compile(r"//[^/\s@]+@")


def text_of(content: bytes | None) -> str:
    """Decode a file's content; whatever it is, ``.encode("utf-8", "surrogateescape")`` gives it back."""
    return (content or b"").decode("utf-8", "surrogateescape")


def masked(text: str) -> str:
    """Blot out passwords: of settings named so, and in URLs."""
    return _LOGIN.sub("//...@", _PASSWORD.sub(r"\1...", text))


def diff(path: str, before: bytes | None, after: bytes | None) -> str:
    """Show a change as ``diff -u`` does, without passwords."""
    old, new = (masked(text_of(content)).splitlines() for content in (before, after))
    was, is_ = ("/dev/null" if content is None else path for content in (before, after))
    told = difflib.unified_diff(old, new, was, is_, lineterm="")
    return "\n".join(told).encode(errors="replace").decode()


def look(root: Root, paths: Sequence[str], *, follow: bool = False) -> dict[str, bytes | None]:
    """Read files of a host, in one round trip; None where there is none.

    Parameters
    ----------
    follow
        Whether links are followed, as for files that are only read.

    Raises
    ------
    Conflict
        One is no plain file: a link is another program's, or another person's, way to keep it.
    """
    found: dict[str, bytes | None] = {}
    if not paths:
        return found
    verb = "read" if follow else "look"
    for path, line in zip(paths, _script(root, verb, *paths).splitlines(), strict=True):
        kind, _, content = line.partition(" ")
        if kind in ("link", "other"):
            what = "a symbolic link" if kind == "link" else "no plain file"
            raise Conflict(f"{path} on {root.host.uri} is {what}: it is left alone, change it by hand")
        found[path] = base64.b64decode(content) if kind == "file" else None
    return found


def write_file(path: str, before: bytes | None, after: str) -> Step:
    """Plan to put a whole file in place."""
    return Step(
        action="file-write",
        title=f"{'write' if before is None else 'replace'} {path}",
        undo="remove it" if before is None else "put the old one back",
        args={"path": path, "before": fingerprint(path, before), "after": after},
    )


def remove_file(path: str, before: bytes) -> Step:
    """Plan to move a file out of the way."""
    args = {"path": path, "before": fingerprint(path, before)}
    return Step(action="file-remove", title=f"move {path} aside", undo="put it back", args=args)


def edit_file(path: str, before: bytes, settings: dict[str, str]) -> Step:
    """Plan to change lines of a file; as :func:`edited`."""
    args = {"path": path, "before": fingerprint(path, before), "lines": settings}
    title = f"edit {path}: {', '.join(line or f'{key} not set' for key, line in settings.items())}"
    return Step(action="file-edit", title=title, undo="put the old one back", args=args)


def edited(content: bytes | None, settings: Mapping[str, str]) -> bytes:
    """Set keys of a file, whatever it is; as :func:`kvmkit.prepare.lines.edited`."""
    return lines.edited(text_of(content), settings).encode("utf-8", "surrogateescape")


def fingerprint(path: str, content: bytes | None) -> str:
    """Tell one content from another; empty for none. Passwords are left out: a digest can be guessed from."""
    if content is None:
        return ""
    text = f"{path}\n{masked(text_of(content))}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def kept_copy(path: str, before: str) -> str:
    """Say where the copy of a file with that fingerprint is kept."""
    return f"{KEPT}/{PurePosixPath(path).name}.{before[:16]}"


def _kept(step: Step) -> str:
    return kept_copy(step.args["path"], step.args["before"])


def _script(root: Root, *words: str, stdin: str = "") -> str:
    return root.run(["sh", "-c", script("prepare/files.sh"), "sh", *words], stdin=stdin).stdout


def _replace(root: Root, step: Step, after: bytes | None) -> None:
    """Keep a copy, then write or remove."""
    path = step.args["path"]
    if step.args["before"]:
        _script(root, "keep", path, _kept(step))
    if after is None:
        _script(root, "remove", path)
    else:
        _script(root, "write", path, str(len(after)), stdin=base64.encodebytes(after).decode())


def _put_back(root: Root, step: Step) -> None:
    """Give back what was there, wherever an earlier attempt stopped."""
    path, kept = step.args["path"], _kept(step)
    now, copy = look(root, [path, kept]).values()
    if not step.args["before"]:
        _script(root, "remove", path)
    elif copy is not None:
        _script(root, "restore", path, kept)
    elif fingerprint(path, now) != step.args["before"]:
        raise Conflict(f"{kept} is gone from {root.host.uri}: {path} cannot be put back as it was")
    _script(root, "forget", path, kept)


class FileReplace:
    """``path``, ``before`` (fingerprint), ``after`` (text): replace a file; without `after` remove it."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether it is so; anything else than what was planned on is somebody's."""
        now = _now(host, step)
        return _is(host, step, state, now, wanted=now == self._after(step))

    def make(self, host: Host, step: Step, token: str) -> None:
        _replace(as_root(host), step, self._after(step))

    def unmake(self, host: Host, step: Step) -> None:
        _put_back(as_root(host), step)

    def _after(self, step: Step) -> bytes | None:
        return step.args["after"].encode() if "after" in step.args else None


class FileEdit:
    """``path``, ``before`` (fingerprint), ``lines``: change lines of a file and leave the others."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether the lines are so; once made, nothing else may have changed either."""
        now, copy = look(as_root(host), [step.args["path"], _kept(step)]).values()
        ours = state in ("done", "undoing") and copy is not None
        wanted = edited(copy if ours else now, step.args["lines"])
        return _is(host, step, state, now, wanted=now == wanted)

    def make(self, host: Host, step: Step, token: str) -> None:
        _replace(as_root(host), step, edited(_now(host, step), step.args["lines"]))

    def unmake(self, host: Host, step: Step) -> None:
        _put_back(as_root(host), step)


def _now(host: Host, step: Step) -> bytes | None:
    return look(as_root(host), [step.args["path"]])[step.args["path"]]


def _is(host: Host, step: Step, state: str, now: bytes | None, *, wanted: bool) -> bool:
    """Tell the file as wanted from the file as planned on; Conflict if it is neither."""
    path = step.args["path"]
    if wanted or fingerprint(path, now) == step.args["before"]:
        return wanted
    kept = step.args["before"] and state in ("done", "undoing")
    way = f"as it was before, it is kept in {_kept(step)}" if kept else "plan again"
    raise Conflict(f"{path} on {host.uri} was changed by somebody meanwhile and is left alone; {way}")


action("file-write", FileReplace(), gradual=True, rehearsed=True)
action("file-remove", FileReplace(), gradual=True, rehearsed=True)
action("file-edit", FileEdit(), gradual=True, rehearsed=True)
