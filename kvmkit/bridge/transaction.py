"""A change of a host's network on trial: sent to the host, decided, and asked how it ended.

What happens on the host is in ``transaction.sh``; here it is started, and its log is read.
"""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from kvmkit.bridge.recipe import Recipe
from kvmkit.bridge.script import ENGINE, FileChange, contents
from kvmkit.commands import Result, script
from kvmkit.errors import Busy, CommandFailed, HostUnavailable, RolledBack
from kvmkit.prepare.root import Root

__all__ = ["Standing", "Transaction"]

ON_TRIAL = 3
"""Exit code of transaction.sh."""


@dataclass(frozen=True)
class Standing:
    """How a trial stands.

    Attributes
    ----------
    state
        ``absent``; undecided: ``running``; decided: ``keep``, ``restore``; ended: ``kept``, ``restored``.
    log
        What the host did, and what its commands said.
    """

    state: str
    log: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.state in ("kept", "restored", "absent")

    @property
    def changed(self) -> bool:
        """Whether the commands of the trial have all been carried out."""
        return any(what == "applied" for _, _, what in self._events())

    @property
    def seconds_away(self) -> float:
        """From the first change until the host had put itself back, by its own clock; 0 if it has not."""
        events = dict(reversed([(what, since) for since, _, what in self._events()]))
        if "applying" not in events or "restored" not in events:
            return 0
        return events["restored"] - events["applying"]

    @property
    def told(self) -> str:
        """What happened, for a person."""
        events = {what: at for _, at, what in self._events()}
        if "restored" in events:
            reason = "it was asked to"
            if "failed" in events:
                reason = f"a command failed ({self._words_before('failed')})"
            elif "not kept" in events:
                reason = f"it could not be kept ({self._words_before('not kept')})"
            elif "nobody confirmed in time" in events:
                reason = "nobody confirmed in time"
            return (
                f"the host put its network back at {events['restored']} UTC, {self.seconds_away:.1f} s "
                f"after the change began, as {reason}"
            )
        return {"absent": "nothing is on trial"}.get(self.state, f"the trial is {self.state}")

    def _events(self) -> Iterator[tuple[float, str, str]]:
        for line in self.log.splitlines():
            if line.startswith("@ "):
                since, at, what = line[2:].split(maxsplit=2)
                yield int(since) / 100, at, what

    def _words_before(self, event: str) -> str:
        """Give what the last command said before that: its error."""
        lines = self.log.splitlines()
        end = next(number for number, line in enumerate(lines) if line.endswith(f" {event}"))
        said = [line for line in lines[:end] if line and not line.startswith("@ ")]
        return "; ".join(said[-2:])


@dataclass(frozen=True)
class Transaction:
    """One trial on a host.

    Attributes
    ----------
    root
        The host, as root, by fresh connections: an old one may have died with the network.
    id
        Its name there: letters and digits.
    """

    root: Root
    id: str

    def start(self, recipe: Recipe, changes: Sequence[FileChange], seconds: int) -> None:
        """Begin it: the host restores itself that many seconds later, unless :meth:`decide` says keep.

        Raises
        ------
        Busy
            Another trial is running there.
        CommandFailed
            Nothing was changed: it could not be sent, or its watchdog did not start.
        """
        given = "".join(
            f"{name} {base64.b64encode(content.encode()).decode()}\n"
            for name, content in contents(recipe, changes).items()
        )
        done = self._do("start", self.id, str(seconds), stdin=f"{given}end\n", timeout=30)
        if done.exit_code == ON_TRIAL:
            raise Busy(
                f"another change of the network ({done.stdout.strip()}) of {self.root.host.uri}: wait until "
                "it is confirmed or has put itself back"
            )
        if done.exit_code:
            raise CommandFailed(
                ["transaction.sh", "start"],
                done.exit_code,
                done.stdout,
                done.stderr,
                self.root.host.uri,
            )

    def look(self) -> Standing:
        """Ask how it stands."""
        state, _, log = self._do("look", self.id, timeout=20).stdout.partition("\n")
        return Standing(state, log)

    def decide(self, word: Literal["keep", "restore"], bound: float = 180) -> Standing:
        """Keep or restore, and wait for the end; whoever decided first has decided.

        Parameters
        ----------
        bound
            Seconds to wait for a host that has gone out of reach.
        """
        deadline = time.monotonic() + bound
        # What came of it is asked below: the line may be cut by the very change.
        with contextlib.suppress(HostUnavailable, CommandFailed):
            self._do("decide", self.id, word)
        return self.wait(deadline - time.monotonic())

    def wait(self, bound: float) -> Standing:
        """Wait until it has ended.

        Raises
        ------
        HostUnavailable
            The host did not say so within `bound` seconds.
        """
        deadline = time.monotonic() + bound
        while True:
            try:
                standing = self.look()
            except (HostUnavailable, CommandFailed) as error:
                if time.monotonic() > deadline:
                    raise HostUnavailable(
                        f"{self.root.host.uri} did not come back within {bound:.0f} s of waiting: {error}"
                    ) from None
            else:
                if standing.ended:
                    return standing
                if time.monotonic() > deadline:
                    raise RolledBack(
                        f"{self.root.host.uri} is still about to {standing.state}; its log ends: "
                        f"{standing.log[-300:]}"
                    )
            time.sleep(0.2)

    def forget(self) -> None:
        """Remove what an ended trial has left: its log."""
        self._do("forget", self.id)

    def _do(self, *words: str, stdin: str = "", timeout: float = 150) -> Result:
        argv = ["sh", "-c", script(ENGINE), "sh", *words]
        return self.root.run(argv, stdin=stdin, timeout=timeout, ok=False)
