"""How kvmkit reads what a script on a host prints, so that no name on that host can pose as structure.

``framing.sh`` says how such a script prints; it comes before each.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from kvmkit.commands import script
from kvmkit.errors import KvmkitError

__all__ = ["escaped", "framed_script", "lines_of", "split_sections", "understood", "unescaped", "with_text"]

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def framed_script(*names: str) -> str:
    """Read scripts of the package, one after the other, behind the functions that they print with."""
    return "".join(map(script, ("framing.sh", *names)))


def split_sections(text: str, *, where: str = "a capture") -> dict[str, list[str]]:
    r"""Cut what a script printed into its sections: name to lines.

    What comes before the first heading, such as a greeting of the login shell, is passed over.

    Raises
    ------
    KvmkitError
        A line is neither a heading nor behind a bar, or two headings are the same: no script prints that.

    Examples
    --------
    >>> split_sections("### daemons\n|dhclient eth0\n|### machine\n\n### users\n\n")
    {'daemons': ['dhclient eth0', '### machine'], 'users': []}
    """
    sections: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in lines_of(text):
        if line.startswith("### "):
            name = line[4:]
            if name in sections:
                raise KvmkitError(f"{where} tells of {name!r} twice, which no script of kvmkit's does")
            lines = sections[name] = []
        elif line.startswith("|") and lines is not None:
            lines.append(line[1:])
        elif line and lines is not None:
            raise KvmkitError(f"{where} printed {line[:80]!r} where a heading or a line behind a bar belongs")
    return sections


@contextmanager
def understood(where: str) -> Iterator[None]:
    """Say of a host whose answer has its frames, and not in them what a script prints, that it is so.

    Raises
    ------
    KvmkitError
        In place of what Python raises for a word or a number that is not there.
    """
    try:
        yield
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        if isinstance(error, KvmkitError):
            raise
        raise KvmkitError(
            f"{where} answered in a way that no script of kvmkit does ({type(error).__name__}: {error}): is "
            "a program there not what its name says?"
        ) from error


def with_text(sections: Mapping[str, Sequence[str]]) -> defaultdict[str, list[str]]:
    """Leave out the lines without text; a section that is not there has none."""
    return defaultdict(
        list, {name: [line for line in lines if line.strip()] for name, lines in sections.items()}
    )


def lines_of(text: str) -> list[str]:
    r"""Cut a text into the lines that a shell sees.

    ``str.splitlines`` also cuts at form feeds and seven other characters, which names and comments may hold.

    >>> lines_of("a\x0cb\n\nc")
    ['a\x0cb', '', 'c']
    """
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def unescaped(line: str) -> str:
    r"""Give the name that ``escaped`` of framing.sh wrote in one line.

    >>> unescaped(r"disk\n1\\n")
    'disk\n1\\n'
    """
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], line)


def escaped(name: str) -> str:
    r"""Write a name in one line, as ``escaped`` of framing.sh does.

    >>> print(escaped("disk\n1"))
    disk\n1
    """
    return name.replace("\\", "\\\\").replace("\n", "\\n")
