"""A person's own copies of the runbooks, and the JupyterLab that shows them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from kvmkit.errors import KvmkitError, Unsupported
from kvmkit.runs.runbook import runbooks
from kvmkit.state import replace_whole

__all__ = ["copy_runbooks", "lab_app", "serve"]

SETTINGS = Path(__file__).parent / "data" / "jupyter"
"""JupyterLab's settings for a first minute without questions; a person's own settings count for more."""
GIVEN = ".kvmkit.json"
"""In the folder: digests of the runbooks as kvmkit wrote them, which tell an older one from a changed one."""


def lab_app() -> Any:
    """Import JupyterLab, or say that it is not there."""
    try:
        from jupyterlab.labapp import LabApp  # noqa: PLC0415 - everything else works without it
    except ImportError:
        raise Unsupported(
            "JupyterLab, which shows the runbooks, is not installed: pip install 'kvmkit[lab]'"
        ) from None
    return LabApp


def serve(app: Any, folder: Path, options: Sequence[str] = ()) -> None:
    """Serve the runbooks in a folder to browsers on this machine, until Ctrl-C.

    `options` are more for JupyterLab, and count for more than those that are set here.
    """
    more = os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join([str(SETTINGS), *([more] if more else [])])
    own = ["--ip=127.0.0.1", "--allow-root", "--LabApp.default_url=/lab/tree/00-menu.ipynb"]
    app.launch_instance([f"--ServerApp.root_dir={folder.resolve()}", *own, *options])


def copy_runbooks(folder: Path) -> list[str]:
    """Put the runbooks into a folder, and give the names of those that stay because somebody changed them.

    Where the folder is the one that they come from, as in a clone of the repository, there is nothing to do.

    Raises
    ------
    KvmkitError
        The folder cannot be written to.
    """
    source = runbooks()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if source.samefile(folder):
            return []
        ours = {path.name: path.read_bytes() for path in sorted(source.glob("*.ipynb"))}
        given, there = _given(folder), {name: _digest(folder / name) for name in ours}
        wanted = {name: sha256(content).hexdigest() for name, content in ours.items()}
        for name in missing_or_old(wanted, there, given):
            replace_whole(folder / name, ours[name])
            there[name] = wanted[name]
        kept = [name for name in ours if there[name] != wanted[name]]
        known = given | {name: digest for name, digest in wanted.items() if name not in kept}
        if known != given:
            replace_whole(folder / GIVEN, json.dumps(known, indent=1).encode() + b"\n")
    except OSError as error:
        raise KvmkitError(
            f"cannot keep runbooks in {folder}: {error.strerror or error}. "
            "Mend that, or name a folder of yours: kvmkit lab --folder=FOLDER"
        ) from error
    return kept


def missing_or_old(
    wanted: Mapping[str, str], there: Mapping[str, str | None], given: Mapping[str, str]
) -> list[str]:
    """Tell which runbooks are to be written, from their digests.

    >>> wanted = {"new": "2", "same": "2", "old": "2", "changed": "2"}
    >>> there = {"new": None, "same": "2", "old": "1", "changed": "9"}
    >>> missing_or_old(wanted, there, given={"old": "1", "changed": "1"})
    ['new', 'old']
    """
    return [
        name
        for name, digest in wanted.items()
        if there[name] is None or (there[name] != digest and there[name] == given.get(name))
    ]


def _digest(path: Path) -> str | None:
    """Give the digest of what stands there; None if nothing does, "" for what is no file."""
    if not os.path.lexists(path):
        return None
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _given(folder: Path) -> dict[str, str]:
    """Read what kvmkit wrote here before; without a record every difference counts as a change."""
    try:
        known = json.loads((folder / GIVEN).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
