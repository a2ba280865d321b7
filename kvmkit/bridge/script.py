"""The scripts that a host carries out a trial by, and the files that they put in place: pure."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kvmkit.bridge.recipe import TRIAL, Recipe
from kvmkit.commands import script
from kvmkit.prepare.files import kept_copy

__all__ = ["ENGINE", "FileChange", "changes_of", "contents", "taken_back"]

ENGINE = "bridge/transaction.sh"
"""What runs a trial on the host."""
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
    copy
        Where the old one is kept for undo; empty where it is not.
    source
        A copy that it is given back from, and that is then gone.
    """

    path: str
    content: str | None = None
    copy: str = ""
    source: str = ""

    @property
    def old(self) -> str:
        """A second name of the old file until all is kept: giving it back takes no space on a full disk."""
        folder, _, name = self.path.rpartition("/")
        return f"{folder}/.{name}.kvmkit-old"


def changes_of(recipe: Recipe, before: Mapping[str, str]) -> list[FileChange]:
    """Say what becomes of a recipe's files; `before` has the fingerprints of those that are there."""
    return [
        FileChange(path, content, kept_copy(path, before[path]) if before.get(path) else "")
        for path, content in recipe.keep_files.items()
    ]


def taken_back(recipe: Recipe, before: Mapping[str, str], back: Recipe) -> list[FileChange]:
    """Say how the files of a recipe that was kept become what they were, byte for byte.

    `back` takes the network back; its own files count only where `recipe` did not touch them.
    """
    given_back = [
        FileChange(path, source=kept_copy(path, before[path]) if before.get(path) else "")
        for path in reversed(recipe.keep_files)
    ]
    others = [
        FileChange(path, text) for path, text in back.keep_files.items() if path not in recipe.keep_files
    ]
    return [*given_back, *others]


def contents(recipe: Recipe, changes: Sequence[FileChange]) -> dict[str, str]:
    """Give, by name, every file that the host needs: the scripts, and what they put in place."""
    found = {
        "engine": script(ENGINE),
        "files.sh": script("prepare/files.sh"),
        "apply": _lines([*_placing(recipe), *map(shlex.join, recipe.apply)]),
        "restore": _lines([*_displacing(recipe), *_bounded(recipe.restore)]),
        "keep": _lines(
            [*_keeping(changes), *_displacing(recipe), *map(shlex.join, recipe.keep), *_settling(changes)]
        ),
        "unkeep": _lines(_unkeeping(changes)),
    }
    found |= {f"trial.{number}": text for number, text in enumerate(recipe.trial_files.values())}
    for number, change in enumerate(changes):
        if change.content is not None:
            # files.sh wants it so: a content need not be text.
            found[f"new.{number}"] = base64.encodebytes(change.content.encode()).decode()
    return found


def _lines(lines: Iterable[str]) -> str:
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
    """Write the files; whoever goes on where a killed watchdog stopped finds the old ones still there."""
    for number, change in enumerate(changes):
        path, old = shlex.quote(change.path), shlex.quote(change.old)
        yield f"if [ ! -e begun.{number} ]; then"
        yield f"    if [ -e {path} ]; then ln -f {path} {old}; : >had.{number}; fi"
        yield f"    : >begun.{number}"
        yield "fi"
        if change.copy:
            # It is gone when all had been kept already.
            yield f"[ ! -e {old} ] || {_files_sh('keep', change.old, change.copy)}"
        if change.source:
            yield _files_sh("restore", change.path, change.source)
        elif change.content is None:
            yield _files_sh("remove", change.path)
        else:
            # A drop-in's folder may be new.
            yield shlex.join(["mkdir", "-p", change.path.rpartition("/")[0]])
            size = str(len(change.content.encode()))
            yield f"{_files_sh('write', change.path, size)} <new.{number}"


def _settling(changes: Sequence[FileChange]) -> Iterator[str]:
    for change in changes:
        yield shlex.join(["rm", "-f", change.old])
        if change.source:
            yield _files_sh("forget", change.path, change.source)
        folder = change.path.rpartition("/")[0]
        if not change.source and change.content is None and folder.endswith(".network.d"):
            # A drop-in's folder goes with its last file.
            yield f"{shlex.join(['rmdir', folder])} 2>/dev/null || :"


def _unkeeping(changes: Sequence[FileChange]) -> Iterator[str]:
    for number, change in reversed(list(enumerate(changes))):
        path, old = shlex.quote(change.path), shlex.quote(change.old)
        yield f"if [ -e had.{number} ]; then"
        yield f"    [ ! -e {old} ] || mv -f {old} {path}"
        # Renaming a file to another name of its own does nothing.
        yield f"    rm -f {old}"
        yield f"elif [ -e begun.{number} ]; then"
        yield f"    rm -f {path}"
        yield "fi"
        yield _files_sh("forget", change.path, change.copy or "./none")


def _files_sh(*words: str) -> str:
    return shlex.join(["sh", "files.sh", *words])
