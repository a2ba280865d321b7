"""YAML, and the lines that its parts stand in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

__all__ = ["as_yaml", "lines", "read"]


def as_yaml(data: dict[str, Any]) -> str:
    """Give data as YAML, in the order it has."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000)


def read(text: str) -> tuple[Any, str]:
    """Read YAML; the second is what is wrong with it, after its line."""
    try:
        return yaml.safe_load(text), ""
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return None, f"line {mark.line + 1 if mark else 1}: not YAML: {error.problem or error.context}"
    except yaml.reader.ReaderError as error:
        return None, f"line {text[: error.position].count(chr(10)) + 1}: not YAML: {error.reason}"


def lines(text: str) -> dict[str, int]:
    """Say in which line each part stands, by its path, such as ``users.0.name``."""
    return dict(_lines(yaml.compose(text, Loader=yaml.SafeLoader), ""))


def _lines(node: yaml.Node | None, path: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        parts = [(key.value, key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        parts = [(str(number), value, value) for number, value in enumerate(node.value)]
    else:
        return
    for name, at, value in parts:
        yield f"{path}{name}", at.start_mark.line + 1
        yield from _lines(value, f"{path}{name}.")
