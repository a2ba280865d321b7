"""Runbooks as they are, by papermill, on `qemu:///system`, which is a lab's where they run."""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.lab.lab import Lab

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
URI = "qemu:///system"


class Runbook:
    """Runs of one runbook on a lab."""

    def __init__(self, lab: Lab, folder: Path, name: str, **parameters: object) -> None:
        self._lab = lab
        self._source = NOTEBOOKS / f"{name}.ipynb"
        self._output = folder / f"{name}.ipynb"
        self._parameters = {"uri": URI} | parameters

    def stops_with(self) -> str:
        """Run it without consent; the name of the error with which it stops, if any."""
        self._output.parent.mkdir(exist_ok=True)
        with contextlib.suppress(subprocess.CalledProcessError):
            self._run(self._parameters)
        outputs = [
            out
            for cell in nbformat.read(self._output, as_version=4).cells
            for out in cell.get("outputs", ())
            if out.output_type == "error"
        ]
        return "".join(out.ename for out in outputs)

    def run_to_the_gate(self) -> str:
        """Run it without consent; the plan's id, from the message with which it stops."""
        with pytest.raises(subprocess.CalledProcessError):
            self._run(self._parameters)
        cells = nbformat.read(self._output, as_version=4).cells
        [error] = [out for cell in cells for out in cell.get("outputs", ()) if out.output_type == "error"]
        assert error.ename == "NotApplied"
        found = re.search(r"read the plan, then run again with .*papermill -p confirm (\w+)", error.evalue)
        assert found, error.evalue
        return found[1]

    def run(self, **more: str) -> list[nbformat.NotebookNode]:
        """Run it to its end; all its outputs."""
        self._run(self._parameters | more)
        cells = nbformat.read(self._output, as_version=4).cells
        return [output for cell in cells for output in cell.get("outputs", ())]

    def _run(self, parameters: dict[str, object]) -> None:
        argv = [sys.executable, "-m", "papermill", str(self._source), str(self._output), "--no-progress-bar"]
        argv += ["--parameters_yaml", json.dumps(parameters)]  # JSON is YAML, too
        subprocess.run(
            self._lab.local(argv),
            env=os.environ | {"IPYTHONDIR": str(self._output.parent / "ipython")},
            cwd=self._output.parent,
            capture_output=True,
            check=True,
            timeout=300,
        )


def text_of(outputs: list[nbformat.NotebookNode]) -> str:
    return "\n".join(out.get("text") or out.get("data", {}).get("text/plain", "") for out in outputs)
