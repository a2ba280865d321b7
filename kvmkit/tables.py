"""Facts of a host as DataFrames that show the names in them as text, whatever those are."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kvmkit.safe import page, plain

__all__ = ["Table"]


class _Safe:
    """Shows itself as pandas does, but no character in it acts."""

    def __repr__(self) -> str:
        return plain(super().__repr__())

    def to_string(self, *arguments: Any, **more: Any) -> Any:
        """Write it as pandas does, for people."""
        text = super().to_string(*arguments, **more)  # type: ignore[misc]  # pandas' class comes behind this one
        return text and plain(text)


class Table(_Safe, pd.DataFrame):
    """A DataFrame as any other; pandas itself would write control characters to a terminal as they are."""

    # What is taken out of one shows itself so, too (pandas' documentation: Extending pandas, Subclassing).
    @property
    def _constructor(self) -> Any:
        return Table

    @property
    def _constructor_sliced(self) -> Any:
        return _Column

    def _repr_html_(self) -> str | None:
        shown = super()._repr_html_()  # type: ignore[misc]  # pandas-stubs has no such method
        return shown and page(shown)


class _Column(_Safe, pd.Series):
    """A column or a row of a :class:`Table`."""

    @property
    def _constructor(self) -> Any:
        return _Column

    @property
    def _constructor_expanddim(self) -> Any:
        return Table
