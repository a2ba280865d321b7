"""plan_vm: a VM, and the system that is to be installed in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr

from kvmkit.errors import InvalidSpec
from kvmkit.host import Host
from kvmkit.install.answers import Answers, render
from kvmkit.install.arguments import kernel_arguments, kickstart_release, virt_install_line
from kvmkit.install.phases import architecture, ends_with_reboot, with_cd, with_kernel
from kvmkit.install.serving import my_address
from kvmkit.install.spec import InstallSpec
from kvmkit.install.system import system_name
from kvmkit.install.tree import Tree, parse_treeinfo, read_tree
from kvmkit.install.way import Way, choose
from kvmkit.journal import taken_up
from kvmkit.plan import Plan, Step
from kvmkit.practice import recorded
from kvmkit.vm import create
from kvmkit.vm.create import Decided, decide, vm_notes, vm_steps
from kvmkit.vm.describe import known_systems, log_path
from kvmkit.vm.spec import VMSpec
from kvmkit.vm.uses import FILE_POOLS

__all__ = ["plan_vm"]

PRACTICE_TREE = "http://tree.example/rocky9"
"""The tree that the practice host knows; RFC 2606 keeps the name from being anybody's."""


def plan_vm(host: Host, spec: VMSpec, install: InstallSpec | None = None) -> Plan:
    """Plan a new VM and, if one is asked for, the installation of its system; nothing is changed.

    Parameters
    ----------
    host
        Where it is to run.
    spec
        The VM: a blank disk and an ISO, an existing image, or a kernel and initrd.
    install
        The system to be installed, from a tree, from the spec's ISO or image; None: what is
        booted is for a person to deal with.

    Returns
    -------
    Plan
        Volumes, definition, start; between them the installer's run, which is watched and ends with
        the VM off, and after them the wait for the first boot. It shows virt-install's command line, the
        XML and the answers without their secrets. The notes say what was chosen.

    Raises
    ------
    InvalidSpec
        Naming each field that does not fit the host, its value and what the host has.
    NotFound, BadSource
        There is no install tree at that location.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> plan = kk.plan_vm(host, kk.VMSpec(name="web1"))
    >>> [step.action for step in plan.steps]
    ['volume-create', 'vm-define', 'vm-start']
    >>> tree = kk.InstallSpec(location="http://tree.example/rocky9", root_password="secret")
    >>> plan = kk.plan_vm(host, kk.VMSpec(name="web1", memory_mib=2048), tree)
    >>> [step.action for step in plan.steps]  # doctest: +NORMALIZE_WHITESPACE
    ['installer-upload', 'installer-upload', 'volume-create', 'vm-define', 'vm-install', 'vm-boot-disk',
     'installer-remove', 'vm-start', 'vm-first-boot']
    """
    if install is None:
        return create.plan_vm(host, spec)
    if begun := taken_up(host.uri, _title(spec)):
        return begun
    tree = _tree(host, install.location)
    if tree and spec.os == "detect":  # virt-install would detect it, were it to fetch the tree
        spec = spec.model_copy(update={"os": system_name(tree, known_systems(host))})
    way = choose(spec, install, tree)
    if way.attended and tree is None:
        return create.plan_vm(host, spec)
    return _Installation(host, spec, install, way, tree).plan()


def _title(spec: VMSpec) -> str:
    return f"install VM {spec.name}"


def _tree(host: Host, location: str) -> Tree | None:
    if host.practice and location == PRACTICE_TREE:
        return parse_treeinfo(recorded("practice-treeinfo"), location)
    return read_tree(location) if location else None


@dataclass(frozen=True)
class _Volume:
    """A volume that the installer alone needs."""

    pool: str
    name: str
    path: str


class _Installation:
    """One installation, put together."""

    def __init__(self, host: Host, spec: VMSpec, install: InstallSpec, way: Way, tree: Tree | None) -> None:
        self.host, self.spec, self.install, self.way, self.tree = host, spec, install, way, tree
        self.decided: Decided = decide(host, spec)
        described = self.decided.described
        self.uuid = described.generated[0]
        self.tag = self.uuid[:8]
        if tree and tree.arch != architecture(described.xml):
            raise InvalidSpec(
                {"location": f"a tree for {tree.arch}, and the host's VMs are {architecture(described.xml)}"}
            )
        self.release = tree_release(tree)
        self.pool = self._pool()
        mac = described.generated[1] if len(described.generated) > 1 else ""
        self.answers: Answers | None = None
        if way.answers != "none":
            self.answers = render(way.answers, install, spec.name, self.release, mac)
        self.temporary: dict[str, _Volume] = {}

    def plan(self) -> Plan:
        """Put the steps together."""
        final = self.decided.described
        before = [*self._tree_files(), *self._answers_disk()]
        first = replace(final, xml=self._first_xml())
        made, running = vm_steps(self.spec, replace(self.decided, described=first))
        remove = [self._remove()] if self.temporary else []
        if self.way.source == "image":
            steps = [*before, *made, *running, *self._first_boot(), *remove]
        else:
            steps = [*before, *made, self._run(running), self._boot_disk(), *remove, *running]
            steps += self._first_boot()
        return Plan(
            uri=self.host.uri,
            title=_title(self.spec),
            steps=tuple(steps),
            notes=tuple(self._notes()),
            shown=self._shown(first.xml),
            generated=(*final.generated, self.tag),
        )

    def _pool(self) -> tuple[str, str]:
        """Choose where kernel, RAM disk and answers are kept for the time being: name and folder."""
        pools = {name: pool for name, pool in self.decided.needs.pools.items() if pool.type in FILE_POOLS}
        name = self.spec.pool if self.spec.pool in pools else next(iter(sorted(pools)), "")
        if not name:
            raise InvalidSpec({"pool": "the installer's files need an active pool of files (dir, fs, netfs)"})
        return name, pools[name].path

    def _upload(self, action: str, what: str, title: str, args: dict[str, Any], answers: bool) -> Step:
        (pool, folder), name = self.pool, f"{self.spec.name}-{self.tag}-{what}"
        volume = self.temporary[what] = _Volume(pool, name, f"{folder}/{name}")
        files = self.answers.files if answers and self.answers else {}
        return Step(
            action=action,
            title=f"{title}, as volume {name} in pool {pool}",
            undo="delete it",
            args=vars(volume) | args | {"vm": self.spec.name, "uuid": self.uuid, "answers": list(files)},
            secrets={file: SecretStr(text) for file, text in files.items()},
        )

    def _tree_files(self) -> Iterator[Step]:
        if self.tree is None:
            return
        for what, path in (("kernel", self.tree.kernel), ("initrd", self.tree.initrd)):
            inside = what == "initrd" and self.way.delivery == "initrd" and self.answers is not None
            title = f"upload the installer's {what}{' with the answers' if inside else ''}"
            args = {"url": self.tree.url(path), "checksum": self.tree.checksums.get(path, "")}
            yield self._upload("installer-upload", what, title, args, inside)

    def _answers_disk(self) -> Iterator[Step]:
        if self.answers and self.way.delivery == "seed":
            args = {"label": self.answers.label}
            yield self._upload("answers-upload", "answers.iso", "upload the answers", args, answers=True)

    def _first_xml(self) -> str:
        """Describe the VM as it is installed."""
        xml = self.decided.described.xml
        made = self.temporary
        if self.tree:
            xml = with_kernel(xml, made["kernel"].path, made["initrd"].path, self._arguments())
        if "answers.iso" in made:
            xml = with_cd(xml, made["answers.iso"].path)
        return xml if self.way.source == "image" else ends_with_reboot(xml)

    def _arguments(self) -> str:
        named = self.install.model_copy(update={"hostname": self.install.hostname or self.spec.name})
        return kernel_arguments(self.way.answers, self.way.delivery, self.release, named)

    def _run(self, running: list[Step]) -> Step:
        files = self.answers.files if self.answers and self.way.delivery == "http" else {}
        args = running[-1].args | {
            "log": "" if self.host.is_session else log_path(self.spec.name),
            "timeout": self.install.timeout,
            "serve": my_address(self.host, self.spec) if files else "",
            "answers": list(files),
        }
        if self.way.attended:
            args["attended"] = True
        return Step(
            action="vm-install",
            title=f"start the installer and wait for its end, at most {self.install.timeout // 60} min",
            undo="stop it at once",
            args=args,
            secrets={name: SecretStr(text) for name, text in files.items()},
        )

    def _boot_disk(self) -> Step:
        disks = [self.decided.disk.path] if self.decided.disk else []
        args = {"name": self.spec.name, "uuid": self.uuid, "xml": self.decided.described.xml, "disks": disks}
        undo = "with the VM itself"
        return Step(action="vm-boot-disk", title="have it boot its disk from now on", undo=undo, args=args)

    def _remove(self) -> Step:
        volumes = [vars(volume) for volume in self.temporary.values()]
        args = {"name": self.spec.name, "uuid": self.uuid, "volumes": volumes}
        what = "the answers' CD" if self.tree is None else "what the installer alone needed"
        return Step(action="installer-remove", title=f"delete {what}", undo="not needed", args=args)

    def _first_boot(self) -> Iterator[Step]:
        if what := self.way.awaited:
            args = {"name": self.spec.name, "uuid": self.uuid, "what": what, "timeout": self.install.timeout}
            title = f"wait for its first boot: {what}"
            yield Step(action="vm-first-boot", title=title, undo="not needed", args=args)

    def _notes(self) -> Iterator[str]:
        yield from self.way.notes(self.spec, self.install, self.tree)
        yield from self.answers.notes if self.answers else ()
        yield from (n for n in vm_notes(self.spec, self.decided) if not n.startswith("nothing to boot"))
        yield "undo takes back the VM with its disk, and whatever of the installer's is left"

    def _shown(self, first: str) -> dict[str, str]:
        described = self.decided.described
        line = described.command
        if self.tree:
            inside = list(self.answers.files) if self.answers and self.way.delivery == "initrd" else []
            line = virt_install_line(line, self.install.location, self._arguments(), inside)
        shown = {"The command it stands for": line, "The XML that is installed with": first}
        if first != described.xml:
            shown["The XML that is kept"] = described.xml
        answers = self.answers.shown if self.answers else {}
        return shown | {f"The answers: {name}": text for name, text in answers.items()}


def tree_release(tree: Tree | None) -> str:
    """Name what a tree holds: ``debian``, ``suse``, or kickstart's name of its release; empty: none."""
    if tree is None:
        return ""
    return kickstart_release(tree.family, tree.version) if tree.kind == "treeinfo" else tree.kind
