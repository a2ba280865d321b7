"""Two things measured in turn, the ratio of them, and the table of such rows."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Side = Callable[[], float]
"""Does a thing once and returns the seconds it took; what it prepares and clears away is not in them."""


@dataclass(frozen=True)
class Row:
    """What was measured beside what."""

    what: str
    beside: str
    figure: float
    """A ratio, or a count where nothing was timed."""
    bound: float | None = None
    """The most that the figure may be; None: it is only told."""
    seconds: tuple[float, ...] = ()
    """The two medians."""

    @property
    def holds(self) -> bool:
        return self.bound is None or self.figure <= self.bound


def seconds(call: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def alternate(rounds: int, ours: Side, theirs: Side) -> list[tuple[float, float]]:
    """Measure one after the other, again and again, so that a drift of the machine weighs on both.

    A round more comes first, which only warms up; where there is one round, a smoke, nothing is warmed up.
    """
    return [(ours(), theirs()) for _ in range(rounds + (rounds > 1))][-rounds:]


def compare(what: str, beside: str, pairs: Sequence[tuple[float, float]], bound: float | None) -> Row:
    """Make a row of the two medians."""
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Row(what, beside, ours / theirs, bound, (ours, theirs))


def table(rows: Sequence[Row]) -> str:
    """Render the rows as a Markdown table that reads well in a terminal, too."""
    head = ("measured", "beside", "ratio", "at most", "holds", "medians")
    cells = [head, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in cells
    ]
    return "\n".join([lines[0], f"| {' | '.join('-' * width for width in widths)} |", *lines[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    figure = f"{row.figure:.2f}" if row.seconds else f"{row.figure:g}"
    bound, holds = ("", "") if row.bound is None else (f"{row.bound:g}", "yes" if row.holds else "NO")
    return row.what, row.beside, figure, bound, holds, " / ".join(map(_duration, row.seconds))


def _duration(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.3g} ms"
