"""Runs the runbooks on a fresh practice host and stores their outputs; running it twice leaves no diff.

`make notebooks` runs all; `.venv/bin/python tools/notebooks.py notebooks/00-menu.ipynb` that one.
"""

import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
MEASURED = re.compile(r'<img class=\\"kvmkit-differs\\".*?>')
"""A picture of what was measured, as the file has it: that of an earlier run will do."""
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def run(path: Path) -> None:
    """Execute one notebook in its folder, with a state and settings that are nobody's, and store it."""
    book = nbformat.read(path, as_version=4)
    loose = [cell for cell in book.cells if "nbval-ignore-output" in cell.metadata.get("tags", ())]
    before = {cell.id: (cell.source, cell.execution_count, cell.outputs) for cell in loose}
    with tempfile.TemporaryDirectory(prefix="kvmkit-notebooks-", ignore_cleanup_errors=True) as scratch:
        places = {name: str(Path(scratch, name.lower())) for name in ("XDG_STATE_HOME", "IPYTHONDIR")}
        os.environ.update(places, LC_ALL="C.UTF-8", TZ="UTC")
        NotebookClient(
            book,
            timeout=120,
            record_timing=False,
            coalesce_streams=True,  # how often a cell flushes what it prints differs from run to run
            extra_arguments=["--IPKernelApp.log_level=ERROR"],  # as run_runbook, and why, in runs/run.py
            resources={"metadata": {"path": str(path.parent)}},
        ).execute()
    for cell in loose:  # differs in each run: what an earlier one left will do, if it is of this cell
        *same, outputs = before[cell.id]
        if outputs and same == [cell.source, cell.execution_count]:
            cell.outputs = outputs
    text = path.read_text(encoding="utf-8")
    pictures = iter(MEASURED.findall(text))
    text = MEASURED.sub(lambda new: next(pictures, new[0]), normalised(book))
    path.write_text(text, encoding="utf-8")


def normalised(book: Any) -> str:
    """Give a notebook's text without what differs from run to run: versions and the ids of widgets."""
    widgets = book.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    kept = reachable(widgets, displayed(book))
    book.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    if kept:
        state = {model: without_nulls(widgets[model]) for model in kept}
        book.metadata["widgets"] = {STATE: {"state": state, "version_major": 2, "version_minor": 0}}
    text = json.dumps(book, ensure_ascii=False)
    for number, model in enumerate(kept):
        text = text.replace(model, f"{number:032x}")
    # Read again, so that the order of the models is that of their new ids.
    return str(nbformat.writes(nbformat.reads(text, as_version=4))) + "\n"


def without_nulls(model: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a model does not set: null is the default of each of those, and most of the lines."""
    return model | {"state": {key: value for key, value in model["state"].items() if value is not None}}


def displayed(book: Any) -> list[str]:
    """List the models of the widgets that cells show, from top to bottom."""
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    return [output["data"][VIEW]["model_id"] for output in outputs if VIEW in output.get("data", {})]


def reachable(widgets: dict[str, Any], roots: list[str]) -> list[str]:
    """List those models and all that they refer to, in an order that their content alone decides."""
    found: list[str] = []
    queue = list(roots)
    while queue:
        model = queue.pop(0)
        if model in widgets and model not in found:
            found.append(model)
            queue += re.findall(r"IPY_MODEL_(\w+)", json.dumps(widgets[model], sort_keys=True))
    return found


if __name__ == "__main__":
    for notebook in [Path(name).resolve() for name in sys.argv[1:]] or sorted(ROOT.glob("notebooks/*.ipynb")):
        print(f"notebooks: {notebook.name}", flush=True)
        run(notebook)
