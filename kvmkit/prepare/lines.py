"""Files of lines ``key = value``, edited as a person would: comments, order and the rest stay."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["edited"]

# A value of qemu.conf (virconf.c): string, number or list; what follows it is a comment. In a list a string
# or a comment may hold a bracket.
_VALUE = r"""(?:"[^"\n]*"|'[^'\n]*'|\[(?:"[^"\n]*"|'[^'\n]*'|\#[^\n]*|[^]"'#])*\]|[^\s#"'[]+)"""


def edited(text: str, lines: Mapping[str, str]) -> str:
    """Set keys of a file, each to a whole line; ``""`` comments out what is set.

    A set key keeps its place and its trailing comment; one that is there as a commented default takes
    that line's place; any other comes last.
    """
    for key, line in lines.items():
        text = _set(text, key, line) if line else _unset(text, key)
    return text


def _set(text: str, key: str, line: str) -> str:
    name = re.escape(key)
    active = re.compile(rf"^[ \t]*{name}[ \t]*=[ \t]*{_VALUE}", re.MULTILINE)
    if active.search(text):
        return active.sub(lambda _: line, text, count=1)
    # One blank at most: what is indented further is prose that gives examples.
    default = re.compile(rf"^#[ \t]?{name}[ \t]*=[ \t]*(?!\[[^]\n]*$){_VALUE}[ \t]*$", re.MULTILINE)
    if default.search(text):
        return default.sub(lambda _: line, text, count=1)
    # The default is a list over several lines: it stays, and ours stands before it.
    opened = re.compile(rf"^(?=#[ \t]?{name}[ \t]*=)", re.MULTILINE)
    if opened.search(text):
        return opened.sub(lambda _: f"{line}\n", text, count=1)
    return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n"


def _unset(text: str, key: str) -> str:
    active = re.compile(rf"^[ \t]*{re.escape(key)}[ \t]*=[ \t]*{_VALUE}.*$", re.MULTILINE)
    # Every one: the second would come into force. A list may take several lines.
    return active.sub(lambda found: re.sub("^", "#", found[0], flags=re.MULTILINE), text)
