"""Spec: what a person asks for."""

from __future__ import annotations

import ipaddress
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from kvmkit.errors import InvalidSpec

__all__ = ["Spec", "ip_address", "shortened", "unshown"]


def unshown(message: str) -> PydanticCustomError:
    """Give a validator's error about a value that must not be shown."""
    return PydanticCustomError("unshown", "{message}", {"message": message})


def shortened(value: object, most: int) -> str:
    """Show a value in at most so many characters."""
    shown = repr(value)
    return shown if len(shown) <= most else f"{shown[: most - 3]}…"


def ip_address(value: str) -> str:
    """Refuse what is no IP address; also a zone, for which Python takes any text."""
    try:
        ipaddress.ip_address(value.partition("%")[0])
    except ValueError:
        raise ValueError("not an IPv4 or IPv6 address") from None
    if "%" in value:
        raise ValueError("an IP address without a zone, please")
    return value


class Spec(BaseModel):
    """The base of every spec: flat, frozen, no Optionals, unknown fields refused.

    Raises
    ------
    InvalidSpec
        Naming each wrong field, its value and what was expected of it.
    """

    # What validates it is built when it is first used: importing kvmkit is quicker for it.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InvalidSpec(self._messages(error)) from None

    @classmethod
    def _messages(cls, error: ValidationError) -> dict[str, str]:
        messages = {}
        for item in error.errors(include_url=False):
            field = ".".join(str(part) for part in item["loc"]) or "spec"
            secret = field in cls.model_fields and cls.model_fields[field].exclude
            head = "" if secret or item["type"] == "unshown" else f"{shortened(item['input'], 60)}: "
            messages[field] = f"{head}{item['msg'].removeprefix('Value error, ')}"
        return messages
