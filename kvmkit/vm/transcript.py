"""What went over a console, as text to read, search and keep."""

from __future__ import annotations

import re

from kvmkit.safe import plain

__all__ = ["readable"]

# ECMA-48: a control sequence (5.4), a string such as a window's title (5.6), any other escape sequence; the
# first two also by their characters of eight bits. None of them looks at a byte more than twice, whatever a
# guest sends.
_CONTROL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[P\]X^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-Z\\^-~]"
)
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def readable(raw: bytes) -> str:
    r"""Give text without colours, cursor movements and what was rubbed out; none of it acts on who reads it.

    >>> readable(b"\x1b[1;32m~ #\x1b[0m unane\x08 \x08\x08 \x08me -a\r\nLinux\r\n")
    '~ # uname -a\nLinux\n'
    """
    text = _CONTROL.sub("", raw.decode("utf-8", errors="replace"))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\b" in text:
        text = "\n".join(_left(line) if "\b" in line else line for line in text.split("\n"))
    return plain(_INVISIBLE.sub("", text))


def _left(line: str) -> str:
    """Take back what backspaces took back; in one pass, as a guest may send a million."""
    kept: list[str] = []
    for character in line:
        if character != "\b":
            kept.append(character)
        elif kept:
            kept.pop()
    return "".join(kept)
