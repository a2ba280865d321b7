"""How a system gets into a VM: from where, by which answers, and how these get there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kvmkit.errors import InvalidSpec
from kvmkit.install.answers import Kind
from kvmkit.install.spec import InstallSpec
from kvmkit.install.transport import anybodys, shown
from kvmkit.install.tree import Tree
from kvmkit.vm.spec import VMSpec

__all__ = ["Way", "choose"]

Source = Literal["tree", "iso", "image"]
Delivery = Literal["initrd", "seed", "http"]

LOGIN = "login:"
"""What getty prints; installers have the new system use the console that they were told to use."""

_UNDERSTOOD: dict[str, tuple[Kind, ...]] = {
    "treeinfo": ("kickstart",),
    "suse": (),
    "debian": ("preseed",),
    "iso": ("kickstart", "autoinstall"),
    "image": ("cloud-init",),
}
"""What the installers of each kind of source can be told; of an ISO, what is looked for on a second CD."""
_DELIVERED: dict[str, tuple[Delivery, ...]] = {
    "treeinfo": ("initrd", "seed", "http"),
    "suse": ("initrd",),
    "debian": ("initrd", "http"),
    "iso": ("seed",),
    "image": ("seed",),
}
"""How, the first being the best: what is in the RAM disk needs no network and is on no CD that stays."""
_HOW = {
    "initrd": "put into the installer's RAM disk, which is deleted after it",
    "seed": "on a CD of their own, which is deleted after it",
    "http": "over http, once, under a URL that cannot be guessed, from this machine; but the users of "
    "the host see it by ps before the installer asks, which is why initrd and seed are better",
}


@dataclass(frozen=True)
class Way:
    """What was chosen.

    Attributes
    ----------
    source
        Where the system comes from.
    answers
        What its installer is told; ``none``: a person answers.
    delivery
        How that gets there.
    awaited
        What shows that the new system runs: ``ssh``, ``address``, a text on its console, or nothing.
    """

    source: Source
    answers: Kind | Literal["none"]
    delivery: Delivery
    awaited: str

    @property
    def attended(self) -> bool:
        """Whether a person answers."""
        return self.answers == "none"

    def notes(self, spec: VMSpec, install: InstallSpec, tree: Tree | None) -> Iterator[str]:
        """Say it to the reader of a plan."""
        if tree:
            yield f"installs {tree} from {tree.location}"
        elif self.source == "iso":
            yield f"installs from {spec.cdrom}, which boots as long as the disk is empty"
        else:
            yield f"boots {spec.image}, which is installed already and is told the rest"
        if self.attended:
            yield f"a person answers: kk.console(host, {spec.name!r}) or its screen, while it is applied"
        else:
            yield f"{self.answers} answers, {_HOW[self.delivery]}"
        if self.source != "image":
            yield "two phases: the installer runs until it restarts the VM; then the VM boots its disk"
        if self.answers == "autoinstall":
            yield "an Ubuntu ISO asks on its screen whether to go on: somebody has to type yes"
        if not self.attended and not install.answers_file and not _may_enter(install):
            yield "nobody will be able to log in: there is no SSH key and no password"
        if tree and tree.location.startswith("/"):
            yield "the tree is on this machine: only its kernel and RAM disk are sent, the VM sees no more"
        if tree and anybodys(tree.location):
            yield (
                f"WARNING: nothing vouches for the tree: whoever can change it at {shown(tree.location)}, or "
                "on the way, reads what the installer is told, hashes of passwords included, and is root in "
                "the VM; take one by https, or a folder"
            )


def choose(spec: VMSpec, install: InstallSpec, tree: Tree | None) -> Way:
    """Choose it, or say why it cannot be.

    Raises
    ------
    InvalidSpec
        Naming the fields that do not go together.
    """
    wrong: dict[str, str] = {}
    source: Source = "tree" if tree else "image" if spec.image else "iso"
    if not (tree or spec.image or spec.cdrom):
        raise InvalidSpec({"location": "nothing to install from: a tree, or the VM's CD-ROM or image"})
    if tree and (spec.cdrom or spec.image):
        wrong["location"] = "either an install tree or the VM's CD-ROM or image, please"
    if spec.kernel:
        wrong["kernel"] = f"{spec.kernel!r}: a VM that is installed boots the installer's own, then its disk"
    if not spec.image and not spec.disk_gib:
        wrong["disk_gib"] = "0: nothing to install on"
    kind = tree.kind if tree else source
    answers = _answers(kind, install, wrong)
    deliveries = _DELIVERED[kind]
    delivery = deliveries[0] if install.delivery == "auto" else install.delivery
    if delivery not in deliveries:
        wrong["delivery"] = f"{delivery!r}: this installer finds answers by: {', '.join(deliveries)}"
    if install.kernel_args and not tree:
        wrong["kernel_args"] = f"{install.kernel_args!r}: only a tree's kernel can be told something"
    if wrong:
        raise InvalidSpec(wrong)
    awaited = "" if answers == "none" else _awaited(source, spec, install)
    return Way(source, answers, delivery, awaited)


def _awaited(source: Source, spec: VMSpec, install: InstallSpec) -> str:
    """Choose what is sure to come, and to come of the new system: the installer had an address, too.

    Of a VM on a bridge nobody on the host need know the address.
    """
    if not (spec.network or spec.bridge):
        return ""
    if install.ssh_keys and not spec.bridge:
        return "ssh"
    return "address" if source == "image" and not spec.bridge else LOGIN


def _answers(kind: str, install: InstallSpec, wrong: dict[str, str]) -> Kind | Literal["none"]:
    understood = _UNDERSTOOD[kind]
    if install.answers == "none":
        return "none"
    if not understood:
        wrong["answers"] = "SUSE's installer understands AutoYaST alone, which is not written here: take none"
        return "none"
    if install.answers == "auto":
        if len(understood) > 1:
            wrong["answers"] = f"an ISO does not say which it understands: {' or '.join(understood)}, or none"
        return understood[0]
    if install.answers not in understood:
        wrong["answers"] = f"{install.answers!r}: this source understands: {', '.join(understood)}, none"
    return install.answers


def _may_enter(install: InstallSpec) -> bool:
    secrets = install.password, install.root_password
    return bool(install.ssh_keys) or any(secret.get_secret_value() for secret in secrets)
