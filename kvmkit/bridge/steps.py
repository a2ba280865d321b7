"""The two steps of a change of the network: try it, keep it.

The trial lives in the host's memory alone; keeping it is said over a connection that was made through it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict

from kvmkit.actions import action
from kvmkit.bridge.compare import Expected, compare
from kvmkit.bridge.read import read_network
from kvmkit.bridge.recipe import Recipe
from kvmkit.bridge.script import FileChange, changes_of, taken_back
from kvmkit.bridge.sealed import opened, sealed, secrets_of
from kvmkit.bridge.transaction import Standing, Transaction
from kvmkit.errors import (
    CommandFailed,
    CommandTimeout,
    Conflict,
    HostUnavailable,
    KvmkitError,
    RolledBack,
    WrongState,
)
from kvmkit.host import Host
from kvmkit.plan import Step
from kvmkit.prepare.files import fingerprint, look
from kvmkit.prepare.root import Root, each_as_root
from kvmkit.progress import safe_point
from kvmkit.report import Check, Status
from kvmkit.vm.xml import parse

__all__ = ["Change", "trial_steps"]

ALONE_SECONDS = 0.5
"""For which a host that carries out commands is left alone."""
SETTLE_SECONDS = 30
"""For a network that was put back: a DHCP lease, the detection of duplicate addresses."""


class Change(BaseModel):
    """A change of a host's network and its way back; the arguments of both steps.

    Attributes
    ----------
    recipe, back
        What is done, and what undo does when it has been kept.
    before, after
        What the network has to look like.
    files
        Fingerprint (:func:`kvmkit.prepare.files.fingerprint`) of each file of `recipe` and `back`, and of
        each that they were made from, as the plan found it; empty for one that is not there.
    timeout
        Seconds after which the host puts itself back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    recipe: Recipe
    back: Recipe
    before: Expected
    after: Expected
    files: dict[str, str] = {}
    timeout: int


def trial_steps(change: Change, what: str) -> tuple[Step, Step]:
    """Plan a trial and its keeping; `what` says in the imperative what changes."""
    args = change.model_dump(mode="json")
    files = ", ".join(change.recipe.keep_files)
    trial = Step(
        action="bridge-trial",
        title=f"{what}, on trial: the host puts itself back after {change.timeout} s",
        undo="put the network back at once",
        args=args,
    )
    keep = Step(
        action="bridge-keep",
        title=f"keep it: {f'write {files}' if files else 'say so to the host'}",
        undo="put network and files back, again on trial",
        ask="The host was reached through the changed network. Keep it?",
        ask_seconds=_usable(change.timeout),
        args=args,
    )
    return trial, keep


class Trial:
    """Change the network so that it comes back by itself."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether the network looks as it should, whoever made it so: after a reboot it may not."""
        return _holds(host, Change(**step.args).after)

    def make(self, host: Host, step: Step, token: str) -> None:
        """Start the trial and look at it over fresh connections; what does not hold is put back."""
        change = Change(**step.args)
        _unchanged(host, change)
        changes = changes_of(change.recipe, change.files)
        _try(host, change, change.recipe, changes, (change.before, change.after))

    def unmake(self, host: Host, step: Step) -> None:
        """Have the host put itself back, unless it has."""
        change = Change(**step.args)
        standing = _ended(host, change.recipe, "restore", change.timeout + 120)
        if standing.state == "restored":
            _settled(host, change.before)


class Keep:
    """Confirm a trial; the host itself then writes what makes it last."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether it is kept: no trial any more, the network and the files as they should be."""
        change = Change(**step.args)
        return (
            _files_are(host, change)
            and _transaction(host, change.recipe).look().state in ("kept", "absent")
            and _holds(host, change.after)
        )

    def make(self, host: Host, step: Step, token: str) -> None:
        """Say so over a fresh connection."""
        standing = _ended(host, Change(**step.args).recipe, "keep")
        if standing.state != "kept":
            raise RolledBack(f"too late to keep it: {standing.told}; plan again")

    def unmake(self, host: Host, step: Step) -> None:
        """Change it back, on trial, too; files become what they were byte for byte."""
        change = Change(**step.args)
        written, back, now = change.recipe.keep_files, change.back, change.after
        found = look(_root(host), list({**written, **back.keep_files}))
        left = [path for path, content in found.items() if not _as_planned_on(change, path, content)]
        files = taken_back(change.recipe, change.files, back)
        copies = look(_root(host), [file.source for file in files if file.source])
        begun = [file for file in files if file.path in left or copies.get(file.source) is not None]
        if _holds(host, change.before):
            if not begun:
                return
            # A host that has lost its power between two files boots as it was: only files are to give back.
            back, now = Recipe(owner=back.owner, apply=(), restore=()), change.before
        else:
            begun = [file for file in files if file in begun or file.path not in written]
        _nobody_else_on(host, change.after)
        _try(host, change, back, begun, (now, change.before))
        standing = _ended(host, back, "keep")
        if standing.state != "kept":
            raise RolledBack(f"the bridge is still there: {standing.told}")


def _root(host: Host) -> Root:
    return each_as_root(host.networked())


def _usable(seconds: int) -> float:
    """Leave time for confirming, before the host puts itself back."""
    return seconds - min(5, seconds / 4)


def _transaction(host: Host, recipe: Recipe) -> Transaction:
    return Transaction(_root(host), hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()[:12])


def _ended(host: Host, recipe: Recipe, word: Literal["keep", "restore"], bound: float = 180) -> Standing:
    """Keep or restore, wait for the end, and leave nothing of the trial."""
    transaction = _transaction(host, recipe)
    standing = transaction.decide(word, bound)
    transaction.forget()
    return standing


def _try(
    host: Host,
    change: Change,
    recipe: Recipe,
    changes: list[FileChange],
    pictures: tuple[Expected, Expected],
) -> None:
    """Start a trial of one of a change's recipes, and verify it.

    `pictures` are what the network was like and what it should be like.

    Raises
    ------
    RolledBack
        It did not hold; by then the host has put itself back.
    """
    (old, expected), seconds = pictures, change.timeout
    transaction = _transaction(host, recipe)
    secrets = secrets_of(look(_root(host), list(change.files), follow=True))
    deadline = time.monotonic() + _usable(seconds)
    transaction.start(*_opened(recipe, changes, secrets), seconds)
    # Whatever looks now slows the host down while it is away.
    time.sleep(ALONE_SECONDS)
    seen: list[Check] = []
    latest: list[Check] = []
    while True:
        safe_point()  # undo has the host put itself back
        standing, unreachable = _look(transaction)
        if standing and standing.state not in ("running", "keep"):
            # What was seen latest may have been the network of before.
            break
        seen = latest = unreachable or latest
        if time.monotonic() > deadline:
            break
        if standing and standing.changed:
            latest = _failing(host, expected)
            if not latest:
                return
        else:
            time.sleep(ALONE_SECONDS)
    standing = _ended(host, recipe, "restore", seconds + 120)
    _settled(host, old)
    raise RolledBack(f"{_told(seen)}: {standing.told}" if seen else standing.told)


def _opened(
    recipe: Recipe, changes: list[FileChange], secrets: Mapping[str, str]
) -> tuple[Recipe, list[FileChange]]:
    """Give what is sent to the host, and nowhere else: with the secrets of its own files."""
    tried = {path: opened(text, secrets) for path, text in recipe.trial_files.items()}
    return recipe.model_copy(update={"trial_files": tried}), [
        change if change.content is None else replace(change, content=opened(change.content, secrets))
        for change in changes
    ]


def _look(transaction: Transaction) -> tuple[Standing | None, list[Check]]:
    """Ask how a trial stands; a host that cannot be asked is a row that fails."""
    try:
        return transaction.look(), []
    except (HostUnavailable, CommandFailed) as error:
        return None, [_unreachable(error)]


def _unreachable(error: KvmkitError) -> Check:
    # What to try in a terminal is not to be tried in the midst of a trial.
    silent = isinstance(error, CommandTimeout)
    found = "the host does not answer on it" if silent else str(error).partition(". ")[0]
    return Check("a fresh connection", Status.FAIL, found)


def _failing(host: Host, expected: Expected) -> list[Check]:
    """Verify over a fresh connection; a host that cannot be reached by one fails, too."""
    try:
        network = read_network(host, reach=bool(expected.reach), fresh=True)
    except (HostUnavailable, CommandFailed) as error:
        return [_unreachable(error)]
    return [row for row in compare(expected, network) if row.status is not Status.PASS]


def _holds(host: Host, expected: Expected) -> bool:
    return not _failing(host, expected.model_copy(update={"reach": ()}))


def _settled(host: Host, before: Expected) -> None:
    """See that a host that has put itself back really is as before, whatever its commands said."""
    deadline = time.monotonic() + SETTLE_SECONDS
    # Who answers is not the host's doing: the cable may be out.
    expected = before.model_copy(update={"reach": ()})
    while failing := _failing(host, expected):
        if time.monotonic() > deadline:
            raise RolledBack(f"{host.uri} put its network back, yet it is not as before: {_told(failing)}")


def _told(rows: list[Check]) -> str:
    return "; ".join(f"{row.check}: {row.found}" for row in rows)


def _unchanged(host: Host, change: Change) -> None:
    """Refuse a network or a file that is not as the plan found it."""
    failing = _failing(host, change.before)
    if failing:
        raise Conflict(f"the network of {host.uri} is not as it was planned on: {_told(failing)}; plan again")
    kept = change.recipe.keep_files
    read = [path for path in change.files if path not in kept]
    for path, content in {**look(_root(host), list(kept)), **look(_root(host), read, follow=True)}.items():
        if not _as_planned_on(change, path, content):
            raise Conflict(f"{path} on {host.uri} was changed by somebody meanwhile; plan again")


def _nobody_else_on(host: Host, bridge: Expected) -> None:
    """Refuse to take a bridge from VMs that run on it."""
    others = [port for port in read_network(host).ports_of(bridge.link) if port != bridge.port]
    others += _rehearsed_vms_on(host, bridge.link)
    if others:
        raise WrongState(
            f"{', '.join(others)} of {host.uri} would be cut off, being in {bridge.link}, too: shut down the "
            "VMs on it first"
        )


def _rehearsed_vms_on(host: Host, bridge: str) -> list[str]:
    """Name the running VMs of the practice host on a bridge: they plug nothing into it."""
    if not host.practice:
        return []
    with host.reading("look which VMs are on the bridge") as connection:
        running = [dom for dom in connection.listAllDomains() if dom.isActive()]
        plugged = [
            (dom.name(), card.get("bridge"))
            for dom in running
            for card in parse(dom.XMLDesc()).iterfind("devices/interface/source")
        ]
    return [f"VM {name}" for name, on in plugged if on == bridge]


def _files_are(host: Host, change: Change) -> bool:
    """Tell the files as kept from the files as planned on; Conflict if one is neither."""
    kept = True
    for path, content in look(_root(host), list(change.recipe.keep_files)).items():
        text = change.recipe.keep_files[path]
        # A plan of an earlier version has no seals.
        if (None if text is None else text.encode()) in (content, sealed(path, content)):
            continue
        if not _as_planned_on(change, path, content):
            raise Conflict(f"{path} on {host.uri} was changed by somebody meanwhile and is left alone")
        kept = False
    return kept


def _as_planned_on(change: Change, path: str, content: bytes | None) -> bool:
    # A plan of an earlier version has no seals.
    prints = (fingerprint(path, sealed(path, content)), fingerprint(path, content))
    return change.files.get(path, "") in prints


action("bridge-trial", Trial(), gradual=True, networked=True, fleeting=True)
action("bridge-keep", Keep(), gradual=True, networked=True)
