"""Commands on a host as root, which everything here needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kvmkit.commands import Follow, Result
from kvmkit.errors import Unsupported
from kvmkit.host import Host

__all__ = ["Root", "as_root", "each_as_root"]

BECOME = ("sh", "-c", '[ "$(id -u)" = 0 ] || set -- sudo -n "$@"; exec "$@"', "sh")
"""Goes before a command that finds out by itself how to be root."""


@dataclass(frozen=True)
class Root:
    """A host, and what goes before a command there to run it as root.

    `fresh` says whether each makes a connection of its own, as where the network changes under them.
    """

    host: Host
    prefix: tuple[str, ...] = ()
    fresh: bool = False

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        timeout: float = 60,
        ok: bool = True,
        follow: Follow | None = None,
    ) -> Result:
        """Run a command; as :meth:`kvmkit.Host.run`."""
        return self.host.run(
            [*self.prefix, *argv], stdin=stdin, timeout=timeout, ok=ok, fresh=self.fresh, follow=follow
        )


def as_root(host: Host) -> Root:
    """Find out how to be root on a host: already, or by a sudo that asks nothing.

    Raises
    ------
    Unsupported
        Neither; or the practice host, which runs no commands.
    """
    # uid=1000(visitor) gid=...; in Dutch it is UID.
    first = host.run(["env", "LC_ALL=C", "id"]).stdout.split()[0]
    number, _, user = first.removeprefix("uid=").rstrip(")").partition("(")
    if number == "0":
        return Root(host)
    if host.run(["sudo", "-n", "true"], ok=False).exit_code == 0:
        return Root(host, ("sudo", "-n"))
    raise Unsupported(
        f"{user or number} may not change the system of {host.uri}: connect as root "
        f"(qemu+ssh://root@HOST/system), or let {user or number} use sudo without a password"
    )


def each_as_root(host: Host) -> Root:
    """Be root by commands that find out for themselves, each over a connection of its own.

    For a host whose network changes: no connection outlives that for certain. Nothing is asked of it now.
    """
    return Root(host, BECOME, fresh=True)
