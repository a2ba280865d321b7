"""What SELinux says on a host, and the steps that change it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from kvmkit.actions import action
from kvmkit.errors import KvmkitError
from kvmkit.framing import escaped, framed_script, split_sections, unescaped
from kvmkit.host import Host
from kvmkit.plan import Step
from kvmkit.prepare.files import look
from kvmkit.prepare.root import Root, as_root

__all__ = ["CONFIG", "Folder", "State", "in_use", "parse_state", "read_state", "type_of"]

CONFIG = "/etc/selinux/config"
LABEL_SECONDS = 1800
# What libvirt gives disks of a running VM: a type like svirt_image_t, and the VM's own categories.
_IN_USE = re.compile(r"[^:]*:[^:]*:svirt\w*_t:[^:]*:c")


@dataclass
class Folder:
    """A folder of images as SELinux sees it."""

    path: str
    filesystem: str = ""
    policy: str = ""
    """The type that the policy gives the folder."""
    purposes: set[str] = field(default_factory=set)
    """The types that the policy gives the folder and the files in it, whatever they have now."""
    labels: dict[str, str] = field(default_factory=dict)
    wrong: int = 0

    @property
    def rule(self) -> str:
        """The expression that a rule for it has (semanage-fcontext(8))."""
        return f"{re.escape(self.path)}(/.*)?"


@dataclass
class State:
    """SELinux on a host: the mode in use, folders, and the rules that somebody added."""

    mode: str = "Disabled"
    folders: list[Folder] = field(default_factory=list)
    rules: dict[str, str] = field(default_factory=dict)
    config: bytes = b""


def read_state(root: Root, folders: Sequence[str]) -> State:
    """Read it, in two round trips."""
    return parse_state(_script(root, "look", *folders), look(root, [CONFIG])[CONFIG] or b"")


def _script(root: Root, *words: str, stdin: str = "") -> str:
    argv = ["sh", "-c", framed_script("prepare/selinux.sh"), "sh", *words]
    return root.run(argv, stdin=stdin, timeout=LABEL_SECONDS).stdout


def parse_state(text: str, config: bytes) -> State:
    """Make it of what ``selinux.sh`` printed."""
    sections = split_sections(text, where="SELinux")
    if "end" not in sections:
        raise KvmkitError(f"what SELinux says ends early, after {text[-80:]!r}")
    folders = [
        _folder(name.removeprefix("folder "), lines)
        for name, lines in sections.items()
        if name.startswith("folder ")
    ]
    rules = {path: type_of(label) for label, _, path in (line.partition(" ") for line in sections["rules"])}
    return State("".join(sections["mode"]), folders, rules, config)


def _folder(path: str, lines: Sequence[str]) -> Folder:
    found = Folder(path)
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "label":
            label, _, name = rest.partition(" ")
            found.labels[unescaped(name)] = label
        elif word == "filesystem":
            found.filesystem = rest
        elif word == "policy":
            found.policy = type_of(rest)
        elif word == "purpose":
            found.purposes.add(type_of(rest))
        elif word == "wrong":
            found.wrong = int(rest)
    return found


def type_of(label: str) -> str:
    """Give the third part of ``user:role:type:level``."""
    return [*label.split(":"), "", "", ""][2]


def in_use(label: str) -> bool:
    """Tell a label that libvirt gave, and will take, because a VM runs on the file."""
    return _IN_USE.match(label) is not None


class SelinuxLabel:
    """``folder``, ``label``, ``rule``, ``rule_before``, ``labels``: label a folder, by a rule of its own."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether the policy knows it, and no label differs."""
        found = read_state(as_root(host), [step.args["folder"]]).folders
        return bool(found) and found[0].policy == step.args["label"] and not found[0].wrong

    def make(self, host: Host, step: Step, token: str) -> None:
        root = as_root(host)
        _set_rule(root, step.args["rule"], step.args["label"])
        _script(root, "restore", step.args["folder"])

    def unmake(self, host: Host, step: Step) -> None:
        root, rule = as_root(host), step.args["rule"]
        _set_rule(root, rule, step.args["rule_before"])
        now = read_state(root, [step.args["folder"]]).folders
        labels = now[0].labels if now else {}
        changed = [
            f"{label} {escaped(path)}\n"
            for path, label in step.args["labels"].items()
            if labels.get(path, label) != label and not in_use(labels[path])
        ]
        if changed:
            _script(root, "relabel", stdin="".join(changed))


def _set_rule(root: Root, rule: str, label: str) -> None:
    """Add, change or (an empty label) delete a rule of our own; nothing to do without one."""
    if not rule:
        return
    rules = read_state(root, []).rules
    if rules.get(rule, "") == label:
        return
    semanage = ["semanage", "fcontext"]
    if not label:
        root.run([*semanage, "-d", rule], timeout=LABEL_SECONDS)
    else:
        root.run([*semanage, "-m" if rule in rules else "-a", "-t", label, rule], timeout=LABEL_SECONDS)


class SelinuxBoolean:
    """``name``: turn a boolean on, now and at boot."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        return as_root(host).run(["getsebool", step.args["name"]]).stdout.strip().endswith(" on")

    def make(self, host: Host, step: Step, token: str) -> None:
        self._set(host, step, "on")

    def unmake(self, host: Host, step: Step) -> None:
        self._set(host, step, "off")

    def _set(self, host: Host, step: Step, value: str) -> None:
        as_root(host).run(["setsebool", "-P", step.args["name"], value], timeout=LABEL_SECONDS)


class SelinuxMode:
    """``mode``, ``before``: Enforcing or Permissive, until the next boot."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        return as_root(host).run(["getenforce"]).stdout.strip() == str(step.args["mode"])

    def make(self, host: Host, step: Step, token: str) -> None:
        as_root(host).run(["setenforce", step.args["mode"]])

    def unmake(self, host: Host, step: Step) -> None:
        as_root(host).run(["setenforce", step.args["before"]])


action("selinux-label", SelinuxLabel(), gradual=True, rehearsed=True)
action("selinux-boolean", SelinuxBoolean(), rehearsed=True)
action("selinux-mode", SelinuxMode(), rehearsed=True)
