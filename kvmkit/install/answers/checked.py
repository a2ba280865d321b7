"""What a check of answers found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Checked"]


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes
    ----------
    problems
        What is wrong, each with its line; without any values, as they may be passwords.
    notes
        What could not be checked, and why; what is doubtful.
    """

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
