"""plan_libvirt_group: who may use libvirt without being root."""

from __future__ import annotations

import re
import shlex

from kvmkit.actions import action
from kvmkit.errors import InvalidSpec, NotFound, WrongState
from kvmkit.host import Host
from kvmkit.plan import Plan, Step
from kvmkit.prepare.root import Root, as_root

__all__ = ["plan_libvirt_group"]

GROUP = "libvirt"
"""libvirt's polkit rule lets its members use the system's VMs (libvirt's documentation, "Polkit")."""


def plan_libvirt_group(host: Host, user: str) -> Plan:
    """Plan to let a user manage the host's VMs; nothing is changed.

    Parameters
    ----------
    host
        A host on which libvirt is installed.
    user
        An account there.

    Returns
    -------
    Plan
        Membership of the group ``libvirt``; empty if it is there. It counts from the next
        login. On the practice host nobody is asked, and applying is rehearsed.

    Raises
    ------
    InvalidSpec
        That is no name of an account.
    NotFound
        The host has no such account.
    WrongState
        The host has no such group: libvirt is not installed.
    Unsupported
        No rights.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.plan_libvirt_group(kk.connect("test:///default"), "visitor").steps[0].title
    'add visitor to the group libvirt'
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._@\\-]{0,255}", user):
        raise InvalidSpec({"user": f"{user!r} is not the name of an account"})
    if not host.practice and _is_member(as_root(host), user):
        return Plan(uri=host.uri, title=f"let {user} use libvirt", steps=())
    step = Step(
        action="group-add",
        title=f"add {user} to the group {GROUP}",
        undo="take the account out of it",
        args={"user": user, "group": GROUP},
    )
    notes = (
        "whoever manages VMs can hand the host's disks to one: it is as good as being root",
        f"it counts from the next login of {user}",
    )
    shown = {"The command it stands for": shlex.join(["gpasswd", "-a", user, GROUP])}
    return Plan(uri=host.uri, title=f"let {user} use libvirt", steps=(step,), notes=notes, shown=shown)


def _is_member(root: Root, user: str) -> bool:
    """Ask ``id``, as groups may come from a directory."""
    if root.run(["getent", "group", GROUP], ok=False).exit_code:
        raise WrongState(
            f"{root.host.uri} has no group {GROUP}: install libvirt first, kk.plan_packages(host)"
        )
    groups = root.run(["id", "-Gn", "--", user], ok=False)
    if groups.exit_code:
        raise NotFound(f"{root.host.uri} has no account {user}; `useradd -m {user}` there makes one")
    return GROUP in groups.stdout.split()


class GroupAdd:
    """``user``, ``group``: add an account to a group."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        groups = as_root(host).run(["id", "-Gn", "--", step.args["user"]]).stdout.split()
        return step.args["group"] in groups

    def make(self, host: Host, step: Step, token: str) -> None:
        # Not usermod, which knows the accounts in /etc/passwd alone, and none of a directory.
        as_root(host).run(["gpasswd", "-a", step.args["user"], step.args["group"]])

    def unmake(self, host: Host, step: Step) -> None:
        as_root(host).run(["gpasswd", "-d", step.args["user"], step.args["group"]])


action("group-add", GroupAdd(), rehearsed=True)
