"""run_runbook: a runbook run without a person, and taken further when it is run again.

A run that fails, or whose process is killed, is gone on with by running it
again: what it had begun is finished first, and planned no second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kvmkit import journal
from kvmkit.apply import apply
from kvmkit.errors import NotApplied, RunFailed
from kvmkit.host import PRACTICE_URI, connect
from kvmkit.journal import Entry
from kvmkit.report import Report
from kvmkit.runs.record import Run, entries, keep_record, said, way_on, where
from kvmkit.runs.runbook import checked, defaults, find, papermill

__all__ = ["run_runbook", "take_up"]

ONCE = "once"
"""Tag of a cell that acts and need not act again when a run is gone on with."""
TAKE_UP = """\
# The run of {time:.19} UTC stopped. What it began is finished here, and planned no second time;
# cells below that have no number had done their work then.
from kvmkit.runs.run import take_up

take_up({uri!r}, {plans!r})
"""


def run_runbook(name: str, uri: str, /, **parameters: Any) -> Run:
    """Run a runbook against a host without a person, and keep the executed notebook.

    If the last run of the same runbook with the same parameters (but for `confirm`) did not come to
    its end, this one goes on with it: plans that it left half applied are finished, and those that it
    applied stand. One run at a time per host and account.

    A cell has no time limit: whatever waits in a runbook has a bound of its own, by what it waits for
    (`timeout`, `shutdown_seconds`), and a limit would kill the kernel in the midst of a plan. Who wants
    one for the whole puts coreutils' timeout(1) before the process; the next run goes on from there.

    Parameters
    ----------
    name
        A runbook of the folder ``notebooks``, such as ``40-create-vm``.
    uri
        The host.
    **parameters
        Values for the runbook's own parameters. A plan is applied only if `confirm` is its id,
        or a list that has it; on the practice host ``"practice"`` will do. They are kept in
        clear, so none may be a secret.

    Returns
    -------
    Run
        What came of it, and where the notebook is kept.

    Raises
    ------
    RunFailed
        Naming the cell, what it said, where the notebook is kept, and how to go on.
    NotFound
        No such runbook.
    InvalidSpec
        The runbook has no such parameter, it cannot have that value, or it is a secret.
    NotApplied
        The last run left a plan half applied, and `confirm` does not have its id.
    Busy
        Another process is running a runbook against this host.
    Unsupported
        papermill is not installed.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.run_runbook("10-check-host", "test:///default")
    10-check-host on test:///default: done; kept as ...-10-check-host.ipynb
    """
    source = find(name)
    connect(uri)  # a URI that names no host is refused before anything is begun
    given = checked(source, parameters)
    with journal.lock(uri, f"running {source.stem}", run=True):
        earlier, begun = _unfinished(uri, source, given)
        _consented(begun, given)
        time = datetime.now(UTC)
        run = f"{time:%Y%m%dT%H%M%S.%f}-{source.stem}"
        kept = journal.runs_folder(uri) / f"{run}.ipynb"
        record: dict[str, Any] = {"runbook": source.stem, "parameters": given, "state": "running"}
        record["plans"] = [entry.plan.id for entry in begun]
        journal.note_run(uri, run, **record)
        failure, state = None, "failed"
        try:
            _execute(_book(source, uri, earlier, begun), kept, {"uri": uri, **given})
            state = "done"
        except Exception as error:  # noqa: BLE001 - papermill's, nbclient's, the disk's: told below, by the cell
            failure = error
        finally:
            touched = entries(uri, record["plans"], since=time)
            plans = tuple(entry.plan.id for entry in touched)
            journal.note_run(uri, run, state=state, plans=plans)
            keep_record(kept, uri, run, touched)
        if failure:
            raise RunFailed(
                f"{source.stem} on {uri} stopped {where(kept)}: {said(failure)} "
                f"The notebook so far is kept as {kept}. {way_on(touched)}",
                kept,
            ) from failure
        return Run(source.stem, uri, plans, kept)


def take_up(uri: str, plans: list[str]) -> list[Report]:
    """Finish what another run began, in the kernel of the run that goes on with it.

    Of these plans, by their ids, those that are half applied are finished; what plans any of them
    again in this process gets the one that was begun.
    """
    reports = []
    for entry in entries(uri, plans):
        if entry.state in journal.OPEN:
            reports.append(apply(entry.plan))
        journal.take_up(entry.plan)
    return reports


def _unfinished(uri: str, source: Path, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Entry]]:
    """Find the last run of that kind, if it did not come to its end, and what it has begun."""
    own = defaults(source)

    def wish(parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {**own, **parameters, "confirm": ""}

    runs = [run for run in journal.runs(uri).values() if run["runbook"] == source.stem]
    same = [run for run in runs if wish(run["parameters"]) == wish(given)]
    if not same or same[-1]["state"] == "done":
        return {}, []
    last = same[-1]
    # One that was killed could not say what it had begun.
    since = datetime.fromisoformat(last["time"]) if last["state"] == "running" else None
    return last, [entry for entry in entries(uri, last["plans"], since) if entry.state != "undone"]


def _consented(begun: list[Entry], given: Mapping[str, Any]) -> None:
    """Go on with a plan only if it is confirmed, as the runbook itself does."""
    confirm = given.get("confirm", "practice")
    ids = [confirm] if isinstance(confirm, str) else confirm
    for entry in begun:
        plan = entry.plan
        if entry.state not in journal.OPEN or plan.id in ids:
            continue
        if not ("practice" in ids and plan.uri == PRACTICE_URI):
            raise NotApplied(
                f"the last run left plan {plan.id} ({plan.title}) half applied on {plan.uri}: to go on, "
                f"run again with confirm={plan.id!r}; kk.undo(host, {plan.id!r}) takes it back"
            )


def _book(source: Path, uri: str, earlier: Mapping[str, Any], begun: list[Entry]) -> Any:
    """Read the runbook; one that goes on takes up what was begun, and leaves out what has been acted."""
    import nbformat  # noqa: PLC0415 - comes with papermill

    book = nbformat.read(source, as_version=4)
    if begun:
        for cell in book.cells:
            if ONCE in cell.metadata.get("tags", ()):
                cell.metadata.tags.append("skip-execution")
        code = TAKE_UP.format(time=earlier["time"], uri=uri, plans=[entry.plan.id for entry in begun])
        tags = [cell.metadata.get("tags", ()) for cell in book.cells]
        place = next(number for number, words in enumerate(tags) if "parameters" in words)
        # papermill puts the values of the parameters between the two.
        book.cells.insert(place + 1, nbformat.v4.new_code_cell(code, id="take-up"))
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    return book


def _execute(book: Any, kept: Path, parameters: Mapping[str, Any]) -> None:
    papermill().execute_notebook(
        book,
        str(kept),
        parameters=parameters,
        kernel_name="python3",
        progress_bar=False,
        # Else the kernel warns on stderr that it listens on 127.0.0.1 without encryption, as kernels do.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
