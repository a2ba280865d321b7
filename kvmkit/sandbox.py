"""The practice host's network: real, in namespaces of one's own, gone with the process that made it.

The kernel makes it for anybody, without rights: a host with the NIC ``eth0``, and its router in a second
network namespace at the other end of the cable.  It also has ``/etc``, ``/run`` and ``/var`` of its own,
so that whatever configures a network can be tried there.
"""

from __future__ import annotations

import contextlib
import select
import subprocess
from collections.abc import Sequence
from importlib.resources import files
from typing import cast

from plumbum import CommandNotFound, local

from kvmkit.commands import Follow, Local, Result
from kvmkit.errors import Unsupported

__all__ = ["Sandbox"]

_NAMESPACES = ("--user", "--net", "--mount", "--pid", "--ipc", "--uts")
_SECONDS = 30
"""In which it is there; it takes a tenth of a second."""


class Sandbox:
    """Commands in it; see :class:`kvmkit.commands.Runner`.

    Raises
    ------
    Unsupported
        The machine does not allow such namespaces; the message has its own words.
    """

    def __init__(self) -> None:
        script = files("kvmkit").joinpath("sandbox.sh").read_text(encoding="utf-8")
        argv = ["--map-root-user", "--fork", "--kill-child", *_NAMESPACES, "sh", "-c", script]
        try:
            # It waits on its standard input, which ends with this process however that ends: the kernel tells
            # nobody of a parent's death for certain.
            holder = local["unshare"].popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, new_session=True
            )
        except CommandNotFound:
            raise Unsupported("a network to practise on needs unshare, of util-linux") from None
        self._holder = cast("subprocess.Popen[bytes]", holder)
        out = self._holder.stdout
        line = out.readline() if out and select.select([out], [], [], _SECONDS)[0] else b""
        if not line:
            self.end()
            said = self._holder.stderr.read().decode().strip() if self._holder.stderr else ""
            raise Unsupported(
                f"this machine allows no network to practise on: {said or 'its namespaces did not come up'}"
            )
        self._first = int(line)

    @property
    def stands(self) -> bool:
        """Whether it is still there."""
        return self._holder.poll() is None

    def run(self, argv: Sequence[str], stdin: str, timeout: float, follow: Follow | None = None) -> Result:
        """Run one command as its root; see :class:`kvmkit.commands.Runner`."""
        enter = ["nsenter", f"--target={self._first}", *_NAMESPACES, "--preserve-credentials", "--"]
        return Local("the practice host's network").run([*enter, *argv], stdin, timeout, follow)

    def end(self) -> None:
        """End it, with all that runs in it."""
        if self._holder.stdin:
            with contextlib.suppress(OSError):  # it may have ended by itself
                self._holder.stdin.close()
        self._holder.wait(_SECONDS)
