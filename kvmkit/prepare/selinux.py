"""plan_selinux: enforcing, with the right labels on disk images; or less, with what that costs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kvmkit.check.facts import Facts, read_facts
from kvmkit.errors import InvalidSpec, Unsupported
from kvmkit.host import Host
from kvmkit.plan import Plan, Step
from kvmkit.prepare.files import diff, edit_file, edited, write_file
from kvmkit.prepare.root import as_root
from kvmkit.prepare.selinux_steps import CONFIG, Folder, State, in_use, read_state
from kvmkit.spec import Spec

__all__ = ["SELinuxSpec", "plan_selinux"]

RELABEL = "/.autorelabel"
FOLDER = re.compile(r"(/[\w.+-]+)+")
# Files there have no labels of their own: a boolean lets VMs use all of them (virt_selinux(8)).
BOOLEANS = {"nfs": "virt_use_nfs", "nfs4": "virt_use_nfs", "cifs": "virt_use_samba", "smb2": "virt_use_samba"}
# What the policy says of files without a purpose, and of what VMs use. All other types are for others, who
# would lose access: with virt_image_t on /root, sshd may not read the authorized_keys there.
UNCLAIMED = ("default_t", "unlabeled_t", "mnt_t", "var_t", "var_lib_t", "")
OF_VMS = ("virt_image_t", "svirt_image_t", "virt_content_t", "virt_var_lib_t")


def _folders(value: str) -> str:
    for folder in value.split():
        if not (folder.isascii() and FOLDER.fullmatch(folder)) or "/.." in folder:
            raise ValueError(f"{folder!r} is no plain absolute path of a folder")
    return value


class SELinuxSpec(Spec):
    """What SELinux is to do on a host.

    Attributes
    ----------
    mode : {"enforcing", "permissive", "disabled"}
        Now and at boot; `disabled` at the next boot, and permissive until then.
    folders : str
        Folders of disk images, separated by blanks; ``""``: those of the storage pools.
    label : str
        Type that files there get; disks whose label libvirt is to leave alone
        (``relabel='no'``) need ``svirt_image_t``.

    Raises
    ------
    InvalidSpec
        Naming each wrong field, its value and what was expected.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.SELinuxSpec().mode
    'enforcing'
    """

    mode: Literal["enforcing", "permissive", "disabled"] = "enforcing"
    folders: Annotated[str, Field(max_length=4096), AfterValidator(_folders)] = ""
    label: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}_t$")] = "virt_image_t"


def plan_selinux(host: Host, spec: SELinuxSpec) -> Plan:
    """Plan what SELinux is to do; nothing is changed.

    Parameters
    ----------
    host
        A host with SELinux.
    spec
        The mode and the folders of images; by default enforcing, with right labels.

    Returns
    -------
    Plan
        Labels, the mode at boot, the mode now. Folders on NFS and SMB get a boolean instead of
        labels. Undo puts back rules, labels, mode and file. Empty if all is so already.

    Raises
    ------
    InvalidSpec
        There is no such folder, or the policy has another purpose for files in it, as for homes.
    Unsupported
        The host has no SELinux, no semanage, or you no rights there.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.plan_selinux(kk.connect("test:///default"), kk.SELinuxSpec())
    Traceback (most recent call last):
      ...
    kvmkit.errors.Unsupported: test:///default has no SELinux; its kernel confines VMs by AppArmor
    """
    facts = read_facts(host)
    if not facts.selinux_config and "selinux" not in facts.values:
        apparmor = facts.values.get("apparmor") == "Y"
        other = "its kernel confines VMs by AppArmor" if apparmor else "nor AppArmor"
        raise Unsupported(f"{host.uri} has no SELinux; {other}")
    root = as_root(host)
    folders = spec.folders.split() or _pool_folders(facts)
    state = read_state(root, folders)
    missing = sorted(set(spec.folders.split()) - {folder.path for folder in state.folders})
    if missing:
        raise InvalidSpec({"folders": f"{missing[0]!r}: {host.uri} has no such folder"})
    plan = _plan(host.uri, spec, state)
    rules = any(step.action == "selinux-label" and step.args["rule"] for step in plan.steps)
    if rules and root.run(["sh", "-c", "command -v semanage"], ok=False).exit_code:
        raise Unsupported(
            f"{host.uri} has no semanage, which labels need: kk.plan_packages(host, "
            "['policycoreutils-python-utils']) plans that"
        )
    return plan


def _pool_folders(facts: Facts) -> list[str]:
    return [str(pool.folder) for pool in facts.pools if FOLDER.fullmatch(str(pool.folder))]


def _plan(uri: str, spec: SELinuxSpec, state: State) -> Plan:
    steps = [*_label_steps(spec, state)] if state.mode != "Disabled" else []
    boot, notes = spec.mode, [*_costs(spec)]
    for folder in state.folders:
        if others := _others(spec, folder):
            why = f"by the policy its files are for others ({others}), who would lose them; move disks away"
            if spec.folders:
                raise InvalidSpec({"folders": f"{folder.path!r}: {why}"})
            notes.append(f"no labels in {folder.path}: {why}")
    if state.mode == "Disabled" and spec.mode == "enforcing":
        boot = "permissive"
        notes.append(
            "SELinux is off, so files have no labels: a reboot in permissive mode gives them; then plan again"
        )
    shown, settings = {}, {"SELINUX": f"SELINUX={boot}"}
    after = edited(state.config, settings)
    if after != state.config:
        steps.append(edit_file(CONFIG, state.config, settings))
        shown[CONFIG] = diff(CONFIG, state.config, after)
        if state.mode == "Disabled" and boot != "disabled":
            steps.append(write_file(RELABEL, None, ""))
    now = "Enforcing" if spec.mode == "enforcing" else "Permissive"
    if state.mode not in ("Disabled", now):
        args = {"mode": now, "before": state.mode}
        title = f"{now.lower()} from now on: setenforce {int(now == 'Enforcing')}"
        steps.append(Step(action="selinux-mode", title=title, undo=f"{state.mode.lower()} again", args=args))
    title = f"SELinux {spec.mode}"
    return Plan(uri=uri, title=title, steps=tuple(steps), notes=tuple(notes), shown=shown)


def _costs(spec: SELinuxSpec) -> Iterator[str]:
    if spec.mode != "enforcing":
        yield (
            "WARNING: a guest that breaks out of QEMU meets nothing but QEMU's account; what SELinux would "
            "forbid is only logged"
        )
    if spec.mode == "disabled":
        yield "files made meanwhile get no labels: turning it on again takes a boot that labels all of them"
        yield "it is off after the next reboot; until then it is permissive"


def _others(spec: SELinuxSpec, folder: Folder) -> str:
    """Name the types that the policy has for files in a folder which serve others than VMs; empty: none."""
    if folder.filesystem in BOOLEANS:
        return ""
    return ", ".join(sorted(folder.purposes.difference(UNCLAIMED, OF_VMS, [spec.label]))[:3])


def _label_steps(spec: SELinuxSpec, state: State) -> Iterator[Step]:
    for folder in state.folders:
        if _others(spec, folder):
            continue
        if boolean := BOOLEANS.get(folder.filesystem):
            title = f"let VMs use {folder.filesystem}: setsebool -P {boolean} on"
            yield Step(action="selinux-boolean", title=title, undo="off again", args={"name": boolean})
            continue
        needs_rule = folder.policy != spec.label
        if not (needs_rule or folder.wrong):
            continue
        number = len(folder.labels) if needs_rule else folder.wrong
        count = f"{number} file{'s' * (number != 1)}"
        rule = f"a rule that {folder.path} is {spec.label}, and " if needs_rule else ""
        kept = {path: label for path, label in folder.labels.items() if not in_use(label)}
        yield Step(
            action="selinux-label",
            title=f"{rule}labels for {count} there" if rule else f"labels for {count} in {folder.path}",
            undo="the rules and the labels that were there",
            args={
                "folder": folder.path,
                "label": spec.label,
                "rule": folder.rule if needs_rule else "",
                "rule_before": state.rules.get(folder.rule, ""),
                "labels": kept,
            },
        )
