"""Every error of kvmkit.

::

    KvmkitError
    ├── InvalidURI (ValueError)           the URI names no host that kvmkit can reach
    ├── InvalidSpec (ValueError)          a field of a spec is wrong: ``.errors`` maps fields to messages
    ├── NotFound (LookupError)            no VM, pool, volume … of that name; says which there are
    ├── WrongState                        the VM is not in a state in which that can be done
    ├── ShutdownTimeout (TimeoutError)    the guest did not power itself off in time
    ├── WaitTimeout (TimeoutError)        what was waited for at a VM did not come in time; says what did
    ├── Unsupported                       the host cannot do that at all; says why
    ├── CommandFailed                     a command on a host failed: argv, exit code, stdout, stderr, host
    │   └── CommandTimeout (TimeoutError) … or did not end in time and was killed
    ├── HostUnavailable (ConnectionError) SSH or libvirt does not answer
    ├── LibvirtFailed                     libvirt refused or failed; its own words, and the host
    │   ├── AgentFailed                   … or a guest's agent did; ``.results`` is what other VMs said
    │   └── Stuck (TimeoutError)          … or waits for something that hangs; says what, and what to do
    ├── BadSource                         what is to be installed can't be had, or isn't what it should be
    ├── Conflict                          something that is not ours stands where a step would make its own
    ├── Busy                              another process is applying a plan to this host, or has a console
    ├── InstallFailed                     an installer or the installed system did not come to its end
    ├── RolledBack                        a host put its network back; says why, when and for how long
    ├── NotApplied                        a runbook went on before its plan was applied
    ├── RunFailed                         a runbook stopped on its way; ``.notebook`` is what is kept of it
    └── ApplyFailed                       a step failed; ``.report`` says what was done and undone
        └── Cancelled                     … or a person has cancelled, by a click or Ctrl-C

Each message says in one breath what happened, what was found on the host and
what to do next.  In a notebook an error shows as that message alone: a user's
mistake deserves no traceback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kvmkit.safe import indented, plain

if TYPE_CHECKING:
    from pandas import DataFrame

    from kvmkit.report import Report


class KvmkitError(Exception):
    """The root of every error that kvmkit raises on purpose."""

    def __str__(self) -> str:
        return plain(super().__str__())  # with names and words that hosts and guests chose

    def _render_traceback_(self) -> list[str]:
        """Show one line in IPython and Jupyter, which look for this method."""
        return [indented(f"{type(self).__name__}: {self}")]


class InvalidURI(KvmkitError, ValueError):
    """The URI names no host that kvmkit can reach."""


class InvalidSpec(KvmkitError, ValueError):
    """One or more fields of a spec are wrong.

    Parameters
    ----------
    errors
        Field name to message; the message names the value and what the host has.
    """

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{field}: {message}" for field, message in self.errors.items()))


class NotFound(KvmkitError, LookupError):
    """Nothing of that name is on the host."""


class WrongState(KvmkitError):
    """The VM is not in a state in which that can be done."""


class ShutdownTimeout(KvmkitError, TimeoutError):
    """The guest did not power itself off in time; it still runs."""


class WaitTimeout(KvmkitError, TimeoutError):
    """What was waited for at a VM did not come in time.

    Attributes
    ----------
    results
        Of a command that was run in several VMs, what it said in those where it ended; else None.
    """

    def __init__(self, message: str, results: DataFrame | None = None) -> None:
        self.results = results
        super().__init__(message)


class Unsupported(KvmkitError):
    """The host cannot do that at all."""


class CommandFailed(KvmkitError):
    """A command on a host failed.

    Attributes
    ----------
    argv, exit_code, stdout, stderr, host
        What ran, how it ended, what it printed, and the URI of the host it ran on.
    """

    def __init__(self, argv: Sequence[str], exit_code: int, stdout: str, stderr: str, host: str) -> None:
        self.argv = list(argv)
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr
        self.host = host
        said = (stderr.strip() or stdout.strip() or "it printed nothing").splitlines()[-1]
        super().__init__(f"{self._what()} on {host}: {' '.join(self.argv)[:200]}: {said[:500]}")

    def _what(self) -> str:
        return f"command failed with exit code {self.exit_code}"


class CommandTimeout(CommandFailed, TimeoutError):
    """A command on a host did not end in time and was killed."""

    def _what(self) -> str:
        return "command did not end in time and was killed"


class HostUnavailable(KvmkitError, ConnectionError):
    """SSH or libvirt does not answer on that host."""


class LibvirtFailed(KvmkitError):
    """libvirt refused or failed."""


class AgentFailed(LibvirtFailed):
    """A guest's agent answered what is no answer, or did not tell how a command ended.

    Attributes
    ----------
    results
        What the command said in the other VMs; None if it was run in no other.
    """

    def __init__(self, message: str, results: DataFrame | None = None) -> None:
        self.results = results
        super().__init__(message)


class Stuck(LibvirtFailed, TimeoutError):
    """libvirt waits for something that hangs, such as a VM's QEMU or a pool's folder."""


class BadSource(KvmkitError):
    """What is to be installed can't be had from where it is said to be, or is not what it should be."""


class Conflict(KvmkitError):
    """Something that is not ours stands where a step would make its own; it is left alone."""


class Busy(KvmkitError):
    """Another process is applying a plan to this host, or has the console that was asked for."""


class InstallFailed(KvmkitError):
    """An installer or the installed system did not come to its end; the message has its last words."""


class RolledBack(KvmkitError):
    """A host put its network back, as what was on trial did not hold or was not confirmed in time."""


class NotApplied(KvmkitError):
    """A runbook went on before its plan was applied."""


class RunFailed(KvmkitError):
    """A runbook that was run without a person stopped on its way.

    Attributes
    ----------
    notebook
        The executed notebook, as far as it came.
    """

    def __init__(self, message: str, notebook: Path) -> None:
        self.notebook = notebook
        super().__init__(message)


class ApplyFailed(KvmkitError):
    """A step of a plan failed.

    Attributes
    ----------
    report
        A row per step: what was done, what failed, what was undone.
    """

    def __init__(self, message: str, report: Report) -> None:
        self.report = report
        super().__init__(message)


class Cancelled(ApplyFailed):
    """A person has cancelled a plan while it was applied; the message says how the host stands now."""
