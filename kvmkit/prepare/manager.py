"""What every package manager has to offer here, and how one is run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Protocol

from kvmkit.commands import Result
from kvmkit.errors import Busy, CommandFailed, NotFound
from kvmkit.prepare.root import Root
from kvmkit.prepare.said import doing
from kvmkit.progress import safe_point, tell

__all__ = ["Change", "Manager", "patiently"]

LOCK_SECONDS = 300
"""How long the lock of another package manager is waited for."""
INSTALL_SECONDS = 3600
FINE = (0, 102, 103)
"""Success; the last two are zypper's, which has installed and asks for a reboot or a restart (zypper(8))."""
# What apt-get, dpkg, zypper, dnf (with exit_on_lock) and rpm say.
_LOCKED = re.compile(
    r"could not get lock|unable to (acquire|lock)|(is|was|already) locked by|transaction lock",
    re.IGNORECASE,
)
# One that ends with a colon has its cause in the next line: dpkg's.
_ERROR = re.compile(r"^(?:E: |Error: |dpkg: error|<message type=.error.>)(?:.*:\n.*|.*)", re.MULTILINE)
# apt and dnf go on without a repository that does not answer, and then know no package of it.
_UNREACHABLE = re.compile(
    r"^[EW]: Failed to fetch .*|^Errors during downloading metadata for repository .*:\n.*", re.MULTILINE
)
_UNABLE = re.compile(r"Unable to connect to (\S+):$")
_UNKNOWN = re.compile(
    r"unable to locate package (?P<apt>\S+)|package '?(?P<old>\S+?)'? has no installation candidate"
    r"|no match for argument: (?P<dnf>\S+)|no provider of &apos;(?P<zypper>[^&]+)&apos;",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Change:
    """What a package manager says it would do: package to version."""

    added: dict[str, str] = field(default_factory=dict)
    upgraded: dict[str, str] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    streams: tuple[str, ...] = ()
    """Module streams that dnf enables along the way."""


class Manager(Protocol):
    """A package manager."""

    @property
    def install(self) -> tuple[str, ...]:
        """The command that installs what follows it."""

    def simulate(self, root: Root, names: Sequence[str]) -> Change:
        """Ask what an installation would do; the host stays as it is."""

    def simulate_removal(self, root: Root, names: Sequence[str]) -> Change:
        """Ask what a removal would do."""

    def fetch(self, root: Root, names: Sequence[str]) -> None:
        """Refresh the lists, and download what an installation needs."""

    def repair(self, root: Root) -> None:
        """Finish what a killed package manager left."""

    def remove(self, root: Root, names: Sequence[str]) -> None:
        """Remove packages, and their configuration as far as the manager does."""

    def present(self, root: Root, names: Sequence[str], *, whole: bool) -> set[str]:
        """Tell which are installed; not `whole`: or half so, or left as configuration."""


def patiently(
    root: Root,
    argv: Sequence[str],
    *,
    stdin: str = "",
    heard: str = "",
    fine: Iterable[int] = FINE,
    seconds: float = INSTALL_SECONDS,
) -> Result:
    """Run a package manager, waiting for the lock of another one.

    The cause of a failure may be in what it said before: `heard`.

    Raises
    ------
    Busy
        It is still locked after five minutes.
    NotFound
        There is no package of that name.
    CommandFailed
        Anything else, in its own words: a repository that does not answer, no space on the disk.
    """
    deadline = monotonic() + LOCK_SECONDS
    while True:
        result = root.run(argv, stdin=stdin, timeout=seconds, ok=False, follow=_tell)
        said = f"{heard}\n{result.stdout}\n{result.stderr}"
        unreachable = _UNREACHABLE.search(said)
        unknown = {name for found in _UNKNOWN.finditer(said) for name in found.groups() if name}
        if unknown and not unreachable:
            raise NotFound(
                f"no package {', '.join(sorted(unknown))} in the repositories of {root.host.uri}: see to the "
                "name, or add the repository that has it (kk.plan_repository)"
            )
        if result.exit_code in fine:
            return result
        locked = next((line for line in said.splitlines() if _LOCKED.search(line)), "")
        if not locked:
            # The first complaint tells more than the last, which is shown: that something failed.
            first = unreachable or _ERROR.search(said)
            told = _whole(" ".join(first[0].split()), said) if first else ""
            raise CommandFailed(argv, result.exit_code, result.stdout, f"{said}\n{told}", root.host.uri)
        if monotonic() > deadline:
            raise Busy(
                f"another package manager works on {root.host.uri}, still after {LOCK_SECONDS} s: "
                f"{locked.strip()}. Try again when it has finished"
            )
        safe_point()
        sleep(2)


def _whole(complaint: str, said: str) -> str:
    """Add what apt 3 tells in an earlier line alone: why it could not connect."""
    where = _UNABLE.search(complaint)
    why = where and re.search(rf"Could not connect to {re.escape(where[1])} .*", said)
    return f"{complaint} {why[0]}" if why else complaint


def _tell(line: str) -> None:
    if what := doing(line):
        tell(what)
