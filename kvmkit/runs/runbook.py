"""Find a runbook, and hold parameters against those that it has."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, TypeAdapter, ValidationError

from kvmkit.errors import InvalidSpec, NotFound, Unsupported

__all__ = ["checked", "defaults", "find", "papermill", "runbooks"]

KINDS: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool}
SECRET = re.compile(r"(^|_)(password|passwd|passphrase|secret|token)$")


def runbooks() -> Path:
    """Give the folder of runbooks: in the installed package, or beside it in a clone of the repository."""
    package = Path(__file__).parent.parent
    installed, clone = package / "notebooks", package.parent / "notebooks"
    return installed if installed.is_dir() else clone


def find(name: str) -> Path:
    """Find a runbook by its name."""
    found = {path.stem: path for path in runbooks().glob("*.ipynb")}
    if (stem := name.removesuffix(".ipynb")) not in found:
        raise NotFound(f"no runbook {name!r}; there are: {', '.join(sorted(found)) or 'none'}")
    return found[stem]


def papermill() -> Any:
    """Import papermill, or say that it is not there."""
    try:
        import papermill as module  # noqa: PLC0415 - a runbook in JupyterLab does not need it
    except ImportError:
        raise Unsupported(
            "papermill, which runs notebooks without a person, is not installed: pip install 'kvmkit[lab]'"
        ) from None
    return module


def checked(source: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Hold parameters against those that the runbook has, and give them in its types."""
    known = papermill().inspect_notebook(str(source))
    good, problems = {}, {}
    for name, value in parameters.items():
        if _secret(name, value):
            problems[name] = "a secret cannot be a parameter: the notebook is kept with them, in clear"
        elif name == "uri":
            problems[name] = "names the host, and is no parameter: it is given apart from them"
        elif name not in known:
            near = get_close_matches(name, known, 1)
            meant = f"did you mean {near[0]}? " if near else ""
            problems[name] = f"{source.stem} has no such parameter; {meant}it has: {', '.join(known)}"
        else:
            kind = KINDS.get(known[name]["inferred_type_name"], Any)
            kind = kind | list[str] if name == "confirm" else kind
            try:
                good[name] = TypeAdapter(kind).validate_python(value)
            except ValidationError as error:
                problems[name] = f"{value!r}: {error.errors()[0]['msg']}"
    if problems:
        raise InvalidSpec(problems)
    return good


def defaults(source: Path) -> dict[str, Any]:
    """Give the values that a runbook's parameters have unless told otherwise."""
    known = papermill().inspect_notebook(str(source))
    return {name: literal_eval(parameter["default"]) for name, parameter in known.items()}


def _secret(name: str, value: Any) -> bool:
    if SECRET.search(name) or isinstance(value, SecretStr):
        return True
    return isinstance(value, str) and "://" in value and _lets_in(name, value)


def _lets_in(name: str, url: str) -> bool:
    """Whether a URL may hold what lets somebody in; the query of a repository names a release."""
    try:
        parts = urlsplit(url)
    except ValueError:  # whoever takes it says so
        return "@" in url
    login = parts.password is not None or (parts.username is not None and parts.scheme in ("http", "https"))
    return login or (name in ("location", "url") and ("?" in url or "#" in url))
