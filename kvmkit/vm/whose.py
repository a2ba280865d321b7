"""Whose file is it?  For planning, undo and delete alike, by what the files of the host are.

Two paths are one file if device and inode say so, whatever links lead there.  A VM uses a file if it names it
(as it runs, as it is defined, in a snapshot, in its saved memory) or names what lies on it.  An image in a
pool that lies on it uses it, too.  What cannot be told counts as a use.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from kvmkit.vm.files import GONE, File, Files
from kvmkit.vm.references import Reference

__all__ = ["Uses", "users_of"]

NAMED_AT_MOST = 10
IMAGES = {"qcow2": "qcow", "qcow": "qcow", "qed": "qed", "vmdk": "vmdk"}
"""Formats whose header says what lies below, to what it has to say of itself."""
TROUBLES = {
    "remote": "it lies on what is reached over a network or in another way that the host cannot follow",
    "descriptor": "it lies on a file descriptor of another process",
    "data-file": "its data is in another file, which its header does not name",
    "odd-header": "its header is no valid one",
    "vmdk": "it may consist of several files",
    "nbd-device": "another process serves this device",
    "unreadable": "it may not be read",
    "denied": "a folder above it may not be entered",
    "no-answer": "its storage does not answer",
    "away": "its storage pool is not active",
    "no-time": "looking at all files took too long",
    "error": "reading it fails",
}
"""The words of the script, for people."""

State = tuple[str, bool]
"""What a file is, and whether it is opened as an image whose header counts."""


@dataclass(frozen=True)
class Uses:
    """Who names which files, and what these are."""

    references: tuple[Reference, ...]
    files: Files

    def of(self, path: str) -> list[str]:
        """Name the VMs and volumes that need a file."""
        return users_of(path, self.references, self.files)

    def writers(self, path: str) -> list[str]:
        """Name the VMs that write to a file, by whatever path."""
        users = {r.user.removeprefix("VM ") for r in self.references if r.writes and self.same(r.path, path)}
        return sorted(users)

    def strays(self, path: str, folders: Collection[str]) -> list[str]:
        """Name what lies below an image and is not in one of these folders, and what cannot be told."""
        inside = {self._identity(file) for file in self.files.listed if posixpath.dirname(file) in folders}
        below = self._below(path)
        unknown = {self.files.found.get(file, File(trouble="no-time")).trouble for file in (path, *below)}
        untold = [f"something else ({TROUBLES.get(word, word)})" for word in unknown - {"", GONE}]
        return sorted([*untold, *(_shown(file) for file in below if self._identity(file) not in inside)])

    def lies_on(self, path: str, other: str) -> bool:
        """Whether a file is anywhere in the backing chain of another one."""
        return any(self.same(file, other) for file in self._below(path))

    def _below(self, path: str) -> list[str]:
        seen = {path: True}
        queue = [path]
        while queue:
            for kind, told in self.files.found.get(queue.pop(), File()).below:
                if kind != "device" and told not in seen:
                    seen[told] = True
                    queue.append(told)
        return list(seen)[1:]

    def there(self, path: str) -> bool:
        """Whether there is something at a path, as far as can be told."""
        return self.files.found.get(path, File()).trouble != GONE

    def same(self, one: str, other: str) -> bool:
        """Whether two paths lead to one file."""
        return one == other or bool(self._identity(one) and self._identity(one) == self._identity(other))

    def _identity(self, path: str) -> str:
        return self.files.found.get(path, File()).identity


def users_of(path: str, named: Iterable[Reference], files: Files) -> list[str]:
    """Name the VMs and volumes that need a file, directly or anywhere in a backing chain.

    Parameters
    ----------
    path
        The file.
    named
        Which files the VMs name that count.
    files
        What is on the host: `path`, what is named, and what these lie on.

    Returns
    -------
    list of str
        Empty if the file is nobody's, or not there; else such as ``VM web1``, ``volume /images/top`` and
        ``VM web2 perhaps (…)``, which says what cannot be told.
    """
    target = files.found.get(path, File(trouble="no-time"))
    if target.trouble == GONE:
        return []
    graph = _Graph(files)
    need, doubts = graph.leading_to([_node(path, target)]), graph.in_doubt()
    users: dict[str, str] = {}
    if not target.identity:  # any other path may lead to the same file
        users["somebody"] = f"{_shown(path)}: {TROUBLES.get(target.trouble, target.trouble)}"
    opened: dict[str, set[bool]] = defaultdict(set)
    for reference in named:
        node, as_image = state = graph.state(reference)
        if as_image or (reference.kind == "raw" and reference.writes):
            opened[node].add(as_image)
        if reference.path and (state in need or reference.path == path):
            users[reference.user] = ""
        elif why := reference.why or doubts.get(state) or graph.mismatch(reference):
            users.setdefault(reference.user, why)
    for volume in files.listed:
        # What a guest keeps on its raw disk is no header, though it may look like one.
        node, _ = state = graph.node(volume), True
        if node != _node(path, target) and opened.get(node) != {False} and (state in need or state in doubts):
            users[f"volume {_shown(volume)}"] = "" if state in need else doubts[state]
    for folder, word in files.closed.items():
        users[f"what is in {_shown(folder)}"] = TROUBLES.get(word, word)
    return _told(users)


def _told(users: Mapping[str, str]) -> list[str]:
    certain = sorted(user for user, why in users.items() if not why)
    perhaps = sorted(f"{user} perhaps ({why})" for user, why in users.items() if why)
    told = certain + perhaps
    more = len(told) - NAMED_AT_MOST
    return [*told[:NAMED_AT_MOST], f"{more} more"] if more > 0 else told


def _shown(path: str) -> str:
    """Make a path one line of plain text, whatever is in it."""
    return path if path.isprintable() else ascii(path)[1:-1]


def _node(path: str, file: File) -> str:
    return file.identity or f"path {path}"


class _Graph:
    """Which file lies on which."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._above: dict[State, set[State]] = defaultdict(set)
        self._troubles: dict[State, str] = {}
        for path, file in files.found.items():
            self._add(path, file)

    def _add(self, path: str, file: File) -> None:
        node = _node(path, file)
        if file.trouble and file.trouble != GONE:
            why = f"{_shown(path)}: {TROUBLES.get(file.trouble, file.trouble)}"
            self._troubles.setdefault((node, True), why)
            if not file.identity:
                self._troubles.setdefault((node, False), why)
        for kind, told in file.below:
            if kind == "device":
                for opened in (True, False):
                    self._above[told, False].add((node, opened))
                continue
            if told not in self._files.found:
                self._troubles.setdefault((node, True), f"{_shown(told)} was not looked at")
            self._above[self.node(told), kind != "raw"].add((node, True))

    def node(self, path: str) -> str:
        return _node(path, self._files.found.get(path, File()))

    def state(self, reference: Reference) -> State:
        return self.node(reference.path), reference.kind not in ("raw", "file")

    def mismatch(self, reference: Reference) -> str:
        """Say where a file is not what the VM opens it as: what it lies on is then nobody's to tell."""
        file = self._files.found.get(reference.path)
        if file is None:
            return f"{_shown(reference.path)} was not looked at"
        wanted = IMAGES.get(reference.kind, file.format)
        told = file.identity and file.format not in ("", wanted)
        return f"{_shown(reference.path)}: it is not in {reference.kind} format" if told else ""

    def leading_to(self, nodes: Iterable[str]) -> set[State]:
        """Give all from which one comes to these, themselves included."""
        return set(self._climb({(node, opened): "" for node in nodes for opened in (True, False)}))

    def in_doubt(self) -> dict[State, str]:
        """Give all from which one comes to what cannot be told, with what that is."""
        return self._climb(self._troubles)

    def _climb(self, start: Mapping[State, str]) -> dict[State, str]:
        reached, queue = dict(start), list(start)
        while queue:
            state = queue.pop()
            for above in self._above.get(state, ()):
                if above not in reached:
                    reached[above] = reached[state]
                    queue.append(above)
        return reached
