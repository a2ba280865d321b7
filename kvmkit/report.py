"""Check and Report: facts judged, as a table, as text and as a DataFrame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pandas as pd
from markupsafe import Markup

from kvmkit.safe import html, indented, joined, page, plain, table
from kvmkit.tables import Table

__all__ = ["Check", "Report", "Status"]


class Status(StrEnum):
    """How a check ended."""

    PASS = "PASS"  # noqa: S105 - no password
    WARN = "WARN"
    FAIL = "FAIL"
    SKIP = "SKIP"


# Okabe and Ito's colours: told apart by the colour-blind, legible on light and on dark.
_COLOURS = {Status.PASS: "#009E73", Status.WARN: "#E69F00", Status.FAIL: "#D55E00", Status.SKIP: "#808080"}

ADVISED = (Status.WARN, Status.FAIL)
"""How a check ended that a person should act on."""


@dataclass(frozen=True)
class Check:
    """One fact, judged; in words for people, in which no character acts on what shows them.

    Attributes
    ----------
    check
        What was looked at.
    status
        PASS, WARN, FAIL or SKIP.
    found, expected
        What the host has, and what it should have.
    why
        Why it matters.
    fix
        What to do about it; empty where there is nothing to do.
    runbook
        The runbook that does it, for example ``20-prepare-host``; empty where there is none.
    mended_by
        The plan function that does it and what it is to be told, for example
        ``("plan_qemu_conf", "vnc_listen")``; empty where none does. :func:`kvmkit.fixes` reads it.
    """

    check: str
    status: Status
    found: str
    expected: str = ""
    why: str = ""
    fix: str = ""
    runbook: str = ""
    mended_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("check", "found", "expected", "why", "fix"):
            object.__setattr__(self, name, plain(getattr(self, name)))


COLUMNS = ("check", "status", "found", "expected", "why", "fix", "runbook")


class Report:
    """Rows of :class:`Check` about one host.

    Parameters
    ----------
    title
        What was checked or done.
    uri
        The host.
    checks
        The rows.
    plan_id
        The plan that this is the outcome of; empty for a check.

    Examples
    --------
    >>> from kvmkit.report import Check, Report, Status
    >>> report = Report("demo", "test:///default", [Check("cpu", Status.PASS, "svm")])
    >>> report.ok
    True
    >>> report
    demo on test:///default: 1 PASS
    PASS  cpu: svm
    """

    def __init__(self, title: str, uri: str, checks: list[Check], plan_id: str = "") -> None:
        self.title = title
        self.uri = uri
        self.checks = tuple(checks)
        self.plan_id = plan_id

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(c.status is not Status.FAIL for c in self.checks)

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a DataFrame: RangeIndex; strings check, status, found, expected, why, fix, runbook."""
        rows = [[str(getattr(c, name)) for name in COLUMNS] for c in self.checks]
        return Table(rows, columns=list(COLUMNS), dtype="str")

    @property
    def summary(self) -> str:
        """The title, and how many rows ended how."""
        counts = {s: sum(c.status is s for c in self.checks) for s in Status}
        told = ", ".join(f"{n} {s}" for s, n in counts.items() if n) or "nothing to do"
        return f"{self.title} on {self.uri}: {told}"

    def __repr__(self) -> str:
        lines = [indented(self.summary)]
        for c in self.checks:
            lines.append(indented(f"{c.status:<4}  {c.check}: {c.found}"))
            if c.status in ADVISED:
                lines += [indented(f"      {label}: {text}", 8) for label, text in _advice(c)]
        return "\n".join(lines)

    def _repr_html_(self) -> Markup:
        last = "what to do" if any(c.status in ADVISED for c in self.checks) else ""
        rows = table(("", "check", "found", last), map(_html_row, self.checks)) if self.checks else ""
        return page(html("<p><b>{}</b></p>{}", self.summary, rows))


def _advice(c: Check) -> list[tuple[str, str]]:
    runbook = f"{c.runbook}.ipynb" if c.runbook else ""
    told = [("expected", c.expected), ("why", c.why), ("fix", c.fix), ("runbook", runbook)]
    return [(label, text) for label, text in told if text]


def _html_row(c: Check) -> tuple[str | Markup, ...]:
    advice = [html("<i>{}</i>: {}", *told) for told in _advice(c)] if c.status in ADVISED else []
    badge = html("<b style='color:{}'>{}</b>", _COLOURS[c.status], c.status)
    return badge, c.check, c.found, joined(advice, "<br>")
