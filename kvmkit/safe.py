r"""Text that others chose, made safe for each kind of display; nothing else in kvmkit makes markup.

Hosts, guests and colleagues name VMs, pools, files and processes, and print what they like.  A name is
never an instruction to what shows it:

- **A terminal and plain text** get :func:`plain` or :func:`one_line`: a character that acts or is not seen
  (control characters, those that turn the direction of writing, those without width) stands there as Python
  writes it, ``\x1b``.  What is for people only (steps, rows of checks, errors) is so from the beginning.
- **HTML** is made by :func:`html`, which takes a template and has all else be text in it.
- **MathJax** leaves alone what is in a :func:`page`.
- **Markdown** is not made at all: no way to quote a name in it holds in all its readers.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

__all__ = ["html", "indented", "joined", "one_line", "page", "plain", "table"]

_FILLERS = (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)
_SELECTORS = (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
UNSEEN = frozenset(map(chr, (*_FILLERS, *_SELECTORS)))
"""Leaves no ink though Python has it printable: Unicode's Default_Ignorable_Code_Point, and blank Braille."""


def plain(text: str) -> str:
    r"""Give text in which each character is seen and none acts; line breaks and tabs stay.

    >>> print(plain("a name: \x1b[2J\u202egone"))
    a name: \x1b[2J\u202egone
    """
    if text.isprintable() and text.isascii():
        return text
    return "".join(character if _is_seen(character) else ascii(character)[1:-1] for character in text)


def _is_seen(character: str) -> bool:
    return character in "\n\t" or (character.isprintable() and character not in UNSEEN)


def one_line(text: str) -> str:
    r"""Give text as :func:`plain` does, line breaks and tabs as ``\n`` and ``\t``: it cannot pose as a line.

    >>> print(one_line("web1\nPASS  all is well"))
    web1\nPASS  all is well
    """
    return plain(text).replace("\n", r"\n").replace("\t", r"\t")


def indented(text: str, by: int = 6) -> str:
    r"""Give text as :func:`plain` does, all lines but the first indented, so that none poses as one of ours.

    >>> print(indented("it failed\nPASS  all is well"))
    it failed
          PASS  all is well
    """
    return plain(text).replace("\n", "\n" + " " * by)


def html(template: str, *texts: object) -> Markup:
    """Fill a template of HTML, in which each ``{}`` stands for a text, or for what this function has made.

    >>> print(html("<b>{}</b>", "<img src=x onerror=alert(1)>"))
    <b>&lt;img src=x onerror=alert(1)&gt;</b>
    """
    told = [text if isinstance(text, Markup) else plain(str(text)) for text in texts]
    return Markup(template).format(*told)  # noqa: S704 - a test holds all templates to be our own


def joined(parts: Iterable[Markup], between: str = "") -> Markup:
    """Put HTML together that :func:`html` has made."""
    return Markup(between).join(parts)  # noqa: S704


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> Markup:
    """Make a table of HTML; a cell is a text, or what :func:`html` has made."""
    head = joined(html("<th style='text-align:left'>{}</th>", name) for name in heads)
    cell = "<td style='text-align:left;vertical-align:top'>{}</td>"
    body = joined(html("<tr>{}</tr>", joined(html(cell, text) for text in row)) for row in rows)
    return html("<table><tr>{}</tr>{}</table>", head, body)


def page(shown: str) -> Markup:
    """Give HTML as it goes into a page: MathJax (2 or 3) looks for no formula in it."""
    return Markup('<div class="tex2jax_ignore mathjax_ignore">{}</div>').format(Markup(plain(shown)))  # noqa: S704
