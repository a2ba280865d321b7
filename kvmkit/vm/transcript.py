"""What went over a console, as text to read, search and keep."""

from __future__ import annotations

import re

__all__ = ["readable"]

# ECMA-48: a control sequence (5.4), a string such as a window's title (5.6), any other escape sequence.
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[P\]X^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])")
_RUBBED = re.compile(r"[^\n\x08]*\x08[^\n]*")
_INVISIBLE = re.compile(r"[^\n\t -\uffff\U00010000-\U0010ffff]|[\x7f-\x9f]")


def readable(raw: bytes) -> str:
    r"""Give text without colours, cursor movements and what was rubbed out.

    >>> readable(b"\x1b[1;32m~ #\x1b[0m unane\x08 \x08\x08 \x08me -a\r\nLinux\r\n")
    '~ # uname -a\nLinux\n'
    """
    text = _CONTROL.sub("", raw.decode("utf-8", errors="replace"))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _INVISIBLE.sub("", _RUBBED.sub(_left, text))


def _left(line: re.Match[str]) -> str:
    """Take back what backspaces took back; in one pass, as a guest may send a million."""
    kept: list[str] = []
    for character in line[0]:
        if character != "\b":
            kept.append(character)
        elif kept:
            kept.pop()
    return "".join(kept)
