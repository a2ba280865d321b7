"""plan_qemu_conf: libvirt's settings for QEMU, edited as a person would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from kvmkit.actions import action
from kvmkit.check.facts import DAEMONS, Facts, read_facts
from kvmkit.errors import InvalidSpec, Unsupported, WrongState
from kvmkit.host import Host
from kvmkit.plan import Plan, Step
from kvmkit.practice import recorded
from kvmkit.prepare.files import FileEdit, diff, edit_file, edited, look, text_of
from kvmkit.prepare.root import Root, as_root
from kvmkit.prepare.service import may_run, restart
from kvmkit.spec import Spec, ip_address

__all__ = ["QemuConfSpec", "plan_qemu_conf"]

PATH = "/etc/libvirt/qemu.conf"
SETTING = re.compile(r"""([a-z][a-z0-9_]*)\s*=\s*(-?\d+|"[^"\n]*"|'[^'\n]*'|\[[^]\n]*\])""")
LOOPBACK = ("127.0.0.1", "::1")
ROOT = ("root", "+0")


def _address(value: str) -> str:
    return value and ip_address(value)


def _other(value: str) -> str:
    _settings(value)
    return value


def _settings(text: str) -> dict[str, str]:
    """Read ``key = value; key = value``; values as qemu.conf has them (virconf.c)."""
    found: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        setting = SETTING.fullmatch(part)
        if not setting or not part.isprintable():
            raise ValueError(
                f'{part[:40]!r} is no setting; such as: max_processes = 4096; lock_manager = "lockd"'
            )
        key, value = setting.groups()
        if "passw" in key:
            raise ValueError(
                f"{key} is a secret, and what is asked for here is shown and kept: set it by hand"
            )
        if key in found:
            raise ValueError(f"{key} is there twice")
        found[key] = value
    return found


Account = Annotated[str, Field(pattern=r"^(\+?[A-Za-z0-9_][A-Za-z0-9._-]{0,31})?$")]


class QemuConfSpec(Spec):
    """Settings of ``/etc/libvirt/qemu.conf``; ``""`` leaves one as it is.

    Attributes
    ----------
    vnc_listen : str
        Address that the screens of VMs without one of their own listen on.
    user, group : str
        Account and group that QEMU runs as; ``+0`` is a number.
    dynamic_ownership : {"", "0", "1"}
        Whether libvirt gives a disk image to that account while its VM runs.
    other : str
        More settings as the file has them, separated by semicolons:
        ``max_processes = 4096; lock_manager = "lockd"``. No passwords: they are left as they are.
    unset : str
        Settings to comment out, separated by blanks: back to libvirt's default.

    Raises
    ------
    InvalidSpec
        Naming each wrong field, its value and what was expected.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.QemuConfSpec(vnc_listen="everywhere")
    Traceback (most recent call last):
      ...
    kvmkit.errors.InvalidSpec: vnc_listen: 'everywhere': not an IPv4 or IPv6 address
    """

    vnc_listen: Annotated[str, AfterValidator(_address)] = ""
    user: Account = ""
    group: Account = ""
    dynamic_ownership: Literal["", "0", "1"] = ""
    other: Annotated[str, Field(max_length=4096), AfterValidator(_other)] = ""
    unset: Annotated[str, Field(pattern=r"^[a-z0-9_ ]{0,1024}$")] = ""

    @model_validator(mode="after")
    def _each_key_once(self) -> QemuConfSpec:
        named = [name for name in ("vnc_listen", "user", "group", "dynamic_ownership") if getattr(self, name)]
        keys = [*named, *_settings(self.other), *self.unset.split()]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is asked for twice")
        return self

    @property
    def lines(self) -> dict[str, str]:
        """Each key with its line; empty for one that is commented out."""
        words = {name: getattr(self, name) for name in ("vnc_listen", "user", "group")}
        values = {name: f'"{value}"' for name, value in words.items() if value}
        if self.dynamic_ownership:
            values["dynamic_ownership"] = self.dynamic_ownership
        values |= _settings(self.other)
        lines = {key: f"{key} = {value}" for key, value in values.items()}
        return lines | dict.fromkeys(self.unset.split(), "")


def plan_qemu_conf(host: Host, spec: QemuConfSpec) -> Plan:
    """Plan to change settings of qemu.conf; nothing is changed.

    Parameters
    ----------
    host
        A host on which libvirt is installed.
    spec
        The settings.

    Returns
    -------
    Plan
        The edit, shown as a diff, and the restart of the daemon that reads it. Running VMs
        go on; they have what they were started with. Empty if all is set so already. Undo
        gives the file back byte for byte, unless somebody has changed it since.

    Raises
    ------
    InvalidSpec
        An account that the host does not have.
    WrongState
        There is no such file: libvirt is not installed.
    Conflict
        It is a link.
    Unsupported
        No rights, or ``qemu:///session``, which does not use this file.

    Examples
    --------
    >>> import kvmkit as kk
    >>> plan = kk.plan_qemu_conf(kk.connect("test:///default"), kk.QemuConfSpec(vnc_listen="0.0.0.0"))
    >>> print(plan.shown["/etc/libvirt/qemu.conf"])  # doctest: +ELLIPSIS
    --- /etc/libvirt/qemu.conf
    +++ /etc/libvirt/qemu.conf
    ...
    -#vnc_listen = "0.0.0.0"
    +vnc_listen = "0.0.0.0"
    ...
    """
    if host.is_session:
        raise Unsupported(f"{host.uri} does not use {PATH}: connect to qemu:///system")
    facts = read_facts(host)
    if host.practice:
        return _plan(host.uri, spec, facts, recorded("practice-qemu.conf").encode())
    root = as_root(host)
    _check_accounts(root, spec)
    content = look(root, [PATH])[PATH]
    if content is None:
        raise WrongState(f"there is no {PATH} on {host.uri}: install libvirt first, kk.plan_packages(host)")
    return _plan(host.uri, spec, facts, content)


def _check_accounts(root: Root, spec: QemuConfSpec) -> None:
    problems = {}
    for name, table in (("user", "passwd"), ("group", "group")):
        value = getattr(spec, name)
        asked = value and not value.startswith("+")
        if asked and root.run(["getent", table, value], ok=False).exit_code:
            problems[name] = f"{value!r}: {root.host.uri} has no such {name}"
    if problems:
        raise InvalidSpec(problems)


def _plan(uri: str, spec: QemuConfSpec, facts: Facts, content: bytes) -> Plan:
    after = edited(content, spec.lines)
    if after == content:
        return Plan(uri=uri, title="change qemu.conf", steps=())
    # One that starts when somebody connects may do so before the file is changed.
    units = [f"{name}.service" for name in DAEMONS if may_run(facts.units or {}, f"{name}.service")]
    named = ", ".join(units)
    edit = edit_file(PATH, content, spec.lines)
    undo = f"{edit.undo}, and restart {named}" if units else edit.undo
    args = edit.args | {"units": units}
    steps = [edit.model_copy(update={"action": "qemu-conf-edit", "undo": undo, "args": args})]
    if units:
        title, undo = f"restart {named}; VMs go on running", "nothing to take back"
        steps.append(Step(action="service-restart", title=title, undo=undo, args={"units": units}))
    shown = {PATH: diff(PATH, content, after)}
    notes = tuple(_notes(spec, text_of(content)))
    return Plan(uri=uri, title="change qemu.conf", steps=tuple(steps), notes=notes, shown=shown)


def _notes(spec: QemuConfSpec, text: str) -> Iterator[str]:
    if spec.vnc_listen and spec.vnc_listen not in LOOPBACK:
        yield (
            f"WARNING: whoever can reach {spec.vnc_listen} sees and uses the screens of VMs, without a "
            "password or encryption; kk.viewer_commands shows the way through SSH"
        )
    if spec.user in ROOT or spec.group in ROOT:
        yield "WARNING: QEMU gets root's rights: a guest that breaks out of it has the whole host"
    if spec.dynamic_ownership == "0":
        yield "a VM then starts only if its images already belong to QEMU's account"
    yield "VMs that run keep what they were started with"
    for key in spec.lines:
        if not re.search(rf"^[ \t]*#?[ \t]*{key}[ \t]*=", text, re.MULTILINE):
            yield f"{key} is not among the settings that this file describes; libvirt ignores unknown ones"


class QemuConfEdit(FileEdit):
    """``units`` besides what :class:`FileEdit` has: undo restarts the daemon after the file is back."""

    def unmake(self, host: Host, step: Step) -> None:
        """Put back what was there, and have it read."""
        super().unmake(host, step)
        if step.args["units"]:
            restart(host, step.args["units"])


action("qemu-conf-edit", QemuConfEdit(), gradual=True, rehearsed=True)
