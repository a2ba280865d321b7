"""The scripts that a host carries out a trial by, and the files that they put in place: pure."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from kvmkit.bridge.recipe import TRIAL, Recipe
from kvmkit.prepare.files import kept_copy

__all__ = ["FileChange", "changes_of", "contents", "engine", "taken_back"]

RESTORE_SECONDS = 15
"""After which a command that puts something back is ended, so that the next one has its turn."""


@dataclass(frozen=True)
class FileChange:
    """What becomes of one file when a trial is kept.

    Attributes
    ----------
    path
        The file.
    content
        What is to be in it; None where it is to be removed, or given back from `source`.
    backup
        Where the old one is kept; empty if there is none.
    source
        A copy that it is given back from, and that is then gone.
    """

    path: str
    content: str | None = None
    backup: str = ""
    source: str = ""


def changes_of(recipe: Recipe, before: Mapping[str, str]) -> list[FileChange]:
    """Say what becomes of a recipe's files; `before` has the fingerprints of those that are there."""
    return [
        FileChange(path, content, kept_copy(path, before[path]) if before.get(path) else "")
        for path, content in recipe.keep_files.items()
    ]


def taken_back(
    recipe: Recipe, before: Mapping[str, str], back: Recipe, now: Mapping[str, bool]
) -> list[FileChange]:
    """Say how the files of a recipe that was kept become what they were, byte for byte.

    `back` takes the network back; its own files count only where `recipe` did not touch them. `now` says
    which files are there.
    """
    paths = {**recipe.keep_files, **back.keep_files}
    changes = []
    for number, path in enumerate(paths):
        backup = f"old.{number}" if now[path] else ""
        if path in recipe.keep_files:
            source = kept_copy(path, before[path]) if before.get(path) else ""
            changes.append(FileChange(path, None, backup, source))
        else:
            changes.append(FileChange(path, back.keep_files[path], backup))
    return changes


def engine() -> str:
    """Give the script that runs a trial on the host."""
    return files("kvmkit").joinpath("bridge", "transaction.sh").read_text(encoding="utf-8")


def contents(recipe: Recipe, changes: Sequence[FileChange]) -> dict[str, str]:
    """Give, by name, every file that the host needs: the scripts, and what they put in place."""
    found = {
        "engine": engine(),
        "files.sh": files("kvmkit").joinpath("prepare", "files.sh").read_text(encoding="utf-8"),
        "apply": _script([*_placing(recipe), *map(shlex.join, recipe.apply)]),
        "restore": _script([*_displacing(recipe), *_bounded(recipe.restore)]),
        "keep": _script(
            [*_keeping(changes), *_displacing(recipe), *map(shlex.join, recipe.keep), *_settling(changes)]
        ),
        "unkeep": _script(_unkeeping(changes)),
    }
    found |= {f"trial.{number}": text for number, text in enumerate(recipe.trial_files.values())}
    for number, change in enumerate(changes):
        if change.content is not None:
            # files.sh wants it so: a content need not be text.
            found[f"new.{number}"] = base64.encodebytes(change.content.encode()).decode()
    return found


def _script(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _bounded(commands: Sequence[Sequence[str]]) -> list[str]:
    return [shlex.join(["timeout", "-k", "2", str(RESTORE_SECONDS), *argv]) for argv in commands]


def _placing(recipe: Recipe) -> Iterator[str]:
    for number, path in enumerate(recipe.trial_files):
        target = shlex.quote(path)
        yield f"[ ! -e {target} ]"
        yield f"mkdir -p {shlex.quote(path.rpartition('/')[0])}"
        # Only what this trial has put there is removed.
        yield f": >placed.{number}"
        yield f"cp trial.{number} {target}"


def _displacing(recipe: Recipe) -> Iterator[str]:
    for number, path in enumerate(recipe.trial_files):
        if not path.startswith(f"{TRIAL}/"):
            yield f"[ ! -e placed.{number} ] || rm -f {shlex.quote(path)}"


def _keeping(changes: Sequence[FileChange]) -> Iterator[str]:
    for number, change in enumerate(changes):
        if change.backup:
            # A watchdog that goes on where a killed one stopped must not keep the new one for the old one.
            keep = shlex.join(["sh", "files.sh", "keep", change.path, _folder(change.backup)])
            yield f"[ -e kept.{number} ] || {keep}"
            yield f": >kept.{number}"
        yield f": >begun.{number}"
        if change.source:
            yield shlex.join(["sh", "files.sh", "restore", change.path, change.source])
        elif change.content is None:
            yield shlex.join(["sh", "files.sh", "remove", change.path])
        else:
            size = str(len(change.content.encode()))
            yield f"{shlex.join(['sh', 'files.sh', 'write', change.path, size])} <new.{number}"


def _settling(changes: Sequence[FileChange]) -> Iterator[str]:
    for change in changes:
        if change.source:
            yield shlex.join(["sh", "files.sh", "forget", change.path, change.source])


def _unkeeping(changes: Sequence[FileChange]) -> Iterator[str]:
    for number, change in reversed(list(enumerate(changes))):
        backup = _folder(change.backup) if change.backup else f"{change.path}.none"
        # Moved, as there may be no space left for a copy.
        back = shlex.join(["mv", "-f", backup, change.path] if change.backup else ["rm", "-f", change.path])
        yield f"[ ! -e begun.{number} ] || {back}"
        yield shlex.join(["sh", "files.sh", "forget", change.path, backup])


def _folder(backup: str) -> str:
    """Give a name alone, which is one in the trial's own folder, the folder that files.sh wants."""
    return backup if "/" in backup else f"./{backup}"
