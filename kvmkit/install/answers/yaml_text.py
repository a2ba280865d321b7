"""YAML, and the lines that its parts stand in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

__all__ = ["as_yaml", "lines", "read"]

MOST_PARTS = 100_000
"""So many a text may have, each alias counted as what it stands for: a few lines can mean billions."""
LONGEST_NUMBER = 1000
"""Characters of a number or a date: PyYAML takes for ever to compute a longer one."""
_LONG = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:binary")


class _Loader(yaml.SafeLoader):
    def construct_scalar(self, node: Any) -> Any:
        if len(node.value) > LONGEST_NUMBER and node.tag not in _LONG:
            raise yaml.constructor.ConstructorError(None, None, "the value is too long", node.start_mark)
        return super().construct_scalar(node)


def as_yaml(data: dict[str, Any]) -> str:
    """Give data as YAML, in the order it has."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000)


def read(text: str) -> tuple[Any, str]:
    """Read YAML; the second is what is wrong with it, after its line."""
    try:
        _parts(yaml.compose(text, Loader=_Loader), {})
        return yaml.load(text, _Loader), ""  # noqa: S506 (it is a safe one)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return None, f"line {mark.line + 1 if mark else 1}: not YAML: {error.problem or error.context}"
    except yaml.reader.ReaderError as error:
        return None, f"line {text[: error.position].count(chr(10)) + 1}: not YAML: {error.reason}"
    except RecursionError:
        return None, "line 1: not YAML that can be read: it is nested too deeply"
    except (ValueError, LookupError, AttributeError, ArithmeticError, TypeError):
        # What PyYAML raises for a value that is no number, date or the like, though it says that it is one.
        return None, "line 1: not YAML that can be read: a value is not of the kind that it looks like"


def _parts(node: yaml.Node | None, known: dict[int, int]) -> int:
    """Count the parts of a node; `known` has those of nodes that were counted, 0 for one that is being."""
    if node is None or isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 0
        inner = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
        known[id(node)] = 1 + sum(_parts(part, known) for part in inner)
    number = known[id(node)]
    if not 0 < number <= MOST_PARTS:
        many = f"it has more than {MOST_PARTS} parts, each alias counted as what it stands for"
        problem = many if number else "it is a part of itself"
        raise yaml.composer.ComposerError(None, None, problem, node.start_mark)
    return number


def lines(text: str) -> dict[str, int]:
    """Say in which line each part of what was read stands, by its path, such as ``users.0.name``."""
    return dict(_lines(yaml.compose(text, Loader=_Loader), ""))


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
