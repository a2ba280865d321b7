"""Values of network files that let somebody in, and the marks that stand for them in all that kvmkit keeps.

A file is sealed where it is read, and opened where it is sent back to its host. In between, in recipes,
plans, journals and pages, there are marks only. What one stands for is read again from the host's own file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping

import yaml

from kvmkit.errors import Conflict
from kvmkit.prepare.files import text_of

__all__ = ["has_secret", "is_secret", "opened", "seal", "sealed", "secrets_of"]

_SECRET = {
    "key",
    "keys",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "pin",
    "psk",
    "puk",
    "secret",
    "secrets",
}
_NO_SECRET = {"public", "mgmt", "management", "id"}
"""With one of these a key is none: PublicKey, wpa-key-mgmt."""
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_MARK = re.compile(r"kept-secret-[0-9a-f]{8}-\d+-")
_LOGIN = re.compile(r"//([^/\s@]+)@")
# A name with = or : behind it or, as the first word of a line or a word of a command, blanks.
_NAMED = re.compile(
    # From where a word begins, so that a long one is looked at once.
    r"(?P<first>^[ \t]*)?(?<![\w.-])(?:(?![A-Za-z])[\w.-])*(?P<name>[A-Za-z][\w.-]*)[\"']?"
    r"(?P<sign>[ \t]*[=:][ \t]*|(?:[ \t]|\\\n)+)",
    re.MULTILINE,
)
_WORD = re.compile(r"[^\s\\]+")
# A backslash moves the end of a line on to the next one.
_LINE = re.compile(r"(?:[^\n]*\\\n)*[^\n]*")


def is_secret(name: str) -> bool:
    """Tell by its name whether a setting lets somebody in.

    >>> [is_secret(name) for name in ("wpa-psk", "PrivateKey", "wireless-key1", "wpa-key-mgmt")]
    [True, True, True, False]
    """
    parts = {part.lower() for part in _PART.findall(name)}
    return bool(parts & _SECRET) and not parts & _NO_SECRET


def has_secret(text: str) -> bool:
    """Tell whether a sealed text has a mark."""
    return _MARK.search(text) is not None


def seal(path: str, text: str) -> str:
    r"""Put marks in the place of secrets.

    >>> print(seal("/etc/network/interfaces", "iface wlan0 inet dhcp\n    wpa-psk hunter2"))
    iface wlan0 inet dhcp
        wpa-psk kept-secret-543950c6-0-
    """
    return _sealed(path, text)[0]


def sealed(path: str, content: bytes | None) -> bytes | None:
    """Seal a file as it is on the host."""
    if content is None:
        return None
    return seal(path, text_of(content)).encode("utf-8", "surrogateescape")


def secrets_of(files: Mapping[str, bytes | None]) -> dict[str, str]:
    """Give, by mark, what marks of these files stand for."""
    found: dict[str, str] = {}
    for path, content in files.items():
        found |= _sealed(path, text_of(content))[1]
    return found


def opened(text: str, secrets: Mapping[str, str]) -> str:
    """Put secrets back in the place of their marks.

    Raises
    ------
    Conflict
        One is not known: its file has changed.
    """
    lost = [mark for mark in _MARK.findall(text) if mark not in secrets]
    if lost:
        raise Conflict("a password is gone from a network file that the plan was made from; plan again")
    return _MARK.sub(lambda mark: secrets[mark[0]], text)


def _sealed(path: str, text: str) -> tuple[str, dict[str, str]]:
    digest = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    parts: list[str] = []
    secrets: dict[str, str] = {}
    end = 0
    for start, stop in _joined(_spans(path, text)):
        mark = f"kept-secret-{digest}-{len(secrets)}-"
        secrets[mark] = text[start:stop]
        parts += [text[end:start], mark]
        end = stop
    return "".join(parts) + text[end:], secrets


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Make one span of those that overlap."""
    last: tuple[int, int] | None = None
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if last and start < last[1]:
            last = last[0], max(last[1], stop)
            continue
        if last:
            yield last
        last = start, stop
    if last:
        yield last


def _spans(path: str, text: str) -> Iterator[tuple[int, int]]:
    yield from (found.span(1) for found in _LOGIN.finditer(text))
    if path.endswith((".yaml", ".yml")):
        try:
            yield from _yaml_spans(text)
        except (yaml.YAMLError, RecursionError):
            yield from _named_spans(text)
    else:
        yield from _named_spans(text)


def _named_spans(text: str) -> Iterator[tuple[int, int]]:
    """Find values by the lines: all behind the name of a setting, the next word behind one in a command."""
    place = 0
    while found := _NAMED.search(text, place):
        place = found.end("name") + 1
        if is_secret(found["name"]):
            setting = found["first"] is not None or found["sign"].strip(" \t\\\n")
            value = (None if setting else _WORD.match(text, found.end())) or _LINE.match(text, found.end())
            if value:
                yield value.span()
                place = max(place, value.end())


def _yaml_spans(text: str) -> Iterator[tuple[int, int]]:
    """Find the values by YAML's own reader: in any notation, also behind an anchor."""
    seen: set[tuple[int, bool]] = set()
    for document in list(yaml.compose_all(text, yaml.BaseLoader)):
        for node in _secret_nodes(document, seen):
            start, stop = node.start_mark.index, node.end_mark.index
            # An anchor or a tag belongs to it, and stays.
            head = re.match(r"([&!]\S*\s+)*", text[start:stop])
            yield start + (head.end() if head else 0), start + len(text[start:stop].rstrip())


def _secret_nodes(
    node: yaml.Node | None, seen: set[tuple[int, bool]], secret: bool = False
) -> Iterator[yaml.Node]:
    if (id(node), secret) in seen:
        return
    # What an alias names is looked at once, also where it is part of itself.
    seen.add((id(node), secret))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            yield from _secret_nodes(value, seen, name != "public" and (secret or is_secret(name)))
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _secret_nodes(item, seen, secret)
    elif secret and node is not None:
        yield node
