"""Action: the code behind one kind of step, and the register of them.

Each is registered by the folder that plans with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from kvmkit.host import Host
from kvmkit.plan import Step

__all__ = ["Action", "Kind", "action", "kind"]


class Action(Protocol):
    """The code that makes one kind of step.

    ``state`` is what the journal says of the step: ``""`` (not begun: whatever
    is on the host is somebody else's), ``"started"`` (ours, if it is just as
    this step makes it), ``"done"`` (ours), or ``"undoing"`` (ours, perhaps half taken back).
    """

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether the host is as the step leaves it; Conflict if something not ours is in the way."""

    def make(self, host: Host, step: Step, token: str) -> None:
        """Make the change."""

    def unmake(self, host: Host, step: Step) -> None:
        """Take the change back, by what the step itself says: a killed process keeps nothing else.

        It may have to go on where a killed process stopped.
        """


@dataclass(frozen=True)
class Kind:
    """The code behind one kind of step, and what the engine has to know of it.

    Attributes
    ----------
    code
        Is it made, make it, unmake it.
    gradual
        It is made bit by bit: what a killed process or a failure left is taken back
        though ``made`` says no. ``unmake`` finds out by itself what there is.
    rehearsed
        It changes the system around libvirt, which the practice host does not have.
    boots
        It needs a system inside a VM, of which the practice host's have none.
    networked
        It changes the network, which the practice host has only where the machine underneath allows it.
    fleeting
        A host that loses its power loses it, too: a plan that is continued looks again,
        although the step is done.
    """

    code: Action
    gradual: bool = False
    rehearsed: bool = False
    boots: bool = False
    networked: bool = False
    fleeting: bool = False


FOLDERS = ("bridge", "install", "prepare", "vm")
"""Those that plan: importing one registers its actions."""

_kinds: dict[str, Kind] = {}


def action(name: str, code: Action, **what_it_is: bool) -> None:
    """Register the code behind steps of that name; the rest is as in :class:`Kind`."""
    _kinds[name] = Kind(code, **what_it_is)


def kind(step: Step) -> Kind:
    """Find what is registered for a step."""
    if step.action not in _kinds:
        # Another process planned it, with a folder that this one has not used yet.
        for folder in FOLDERS:
            import_module(f"kvmkit.{folder}")
    return _kinds[step.action]
