"""Commands on a host as root, which everything here needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kvmkit.commands import Result
from kvmkit.errors import Unsupported
from kvmkit.host import Host

__all__ = ["Root", "as_root"]


@dataclass(frozen=True)
class Root:
    """A host, and what goes before a command there to run it as root."""

    host: Host
    prefix: tuple[str, ...] = ()

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60, ok: bool = True) -> Result:
        """Run a command; as :meth:`kvmkit.Host.run`."""
        return self.host.run([*self.prefix, *argv], stdin=stdin, timeout=timeout, ok=ok)


def as_root(host: Host) -> Root:
    """Find out how to be root on a host: already, or by a sudo that asks nothing.

    Raises
    ------
    Unsupported
        Neither; or the practice host, which runs no commands.
    """
    user = host.run(["id", "-un"], ok=False).stdout.strip() or "this user"
    if host.run(["id", "-u"]).stdout.strip() == "0":
        return Root(host)
    if host.run(["sudo", "-n", "true"], ok=False).exit_code == 0:
        return Root(host, ("sudo", "-n"))
    raise Unsupported(
        f"{user} may not change the system of {host.uri}: connect as root (qemu+ssh://root@HOST/system), or "
        f"let {user} use sudo without a password"
    )
