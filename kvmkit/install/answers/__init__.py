"""Answers: what an installer is told instead of being asked.

Made from an InstallSpec, or a file of the user's. They hold hashes of passwords, which are as
secret as passwords: nothing here shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from kvmkit.errors import InvalidSpec
from kvmkit.install.answers import autoinstall, cloudinit, kickstart, preseed
from kvmkit.install.answers.checked import Checked
from kvmkit.install.answers.wanted import Wanted, wanted
from kvmkit.install.spec import InstallSpec

__all__ = ["Answers", "Kind", "render"]

LONGEST = 2**20
"""Bytes of a file of answers: what is larger is something else."""

Kind = Literal["kickstart", "preseed", "autoinstall", "cloud-init"]


class _Language(NamedTuple):
    """One kind of answers: the file and the volume id of a CD by which its installer finds them; its code."""

    file: str
    label: str
    make: Callable[[Wanted], str]
    check: Callable[[str], Checked]


def _language(kind: Kind, release: str) -> _Language:
    table: dict[Kind, _Language] = {
        "kickstart": _Language(
            "ks.cfg",
            "OEMDRV",
            partial(kickstart.kickstart, release=release),
            partial(kickstart.check, release=release),
        ),
        "preseed": _Language("preseed.cfg", "", preseed.preseed, preseed.check),
        "autoinstall": _Language("user-data", "cidata", autoinstall.autoinstall, autoinstall.check),
        "cloud-init": _Language("user-data", "cidata", cloudinit.cloud_config, cloudinit.check),
    }
    return table[kind]


@dataclass(frozen=True)
class Answers:
    """What an installer is told.

    Attributes
    ----------
    label
        The volume id by which a CD with them is found; empty: their installer looks for none.
    files
        Name to text, as they are delivered; never shown.
    shown
        Name to text without secrets, for a plan to show; of a user's own file no word.
    notes
        What could not be checked, and what is doubtful.
    """

    label: str
    files: Mapping[str, str] = field(repr=False)
    shown: Mapping[str, str] = field(repr=False)
    notes: tuple[str, ...] = ()


def render(kind: Kind, install: InstallSpec, vm_name: str, tree_release: str = "", mac: str = "") -> Answers:
    """Make the answers that a spec asks for, or take those of the user's file; they are checked.

    Parameters
    ----------
    kind
        The language.
    install
        What is wanted.
    vm_name
        The VM's name, which is its host name unless the spec has one.
    tree_release
        The syntax of kickstart, such as RHEL9, unless the spec names one.
    mac
        The MAC address of the VM's card: a static address can be bound to it, with cloud-init.

    Raises
    ------
    InvalidSpec
        Naming the field, or the line of the user's file.
    CommandFailed
        A password cannot be hashed: there is no openssl.

    Examples
    --------
    >>> import kvmkit as kk
    >>> answers = render("cloud-init", kk.InstallSpec(user="ann", password="secret"), "web1")
    >>> "secret" in repr(answers), "ann" in answers.shown["user-data"]
    (False, True)
    """
    release = install.release or tree_release
    want = wanted(install, vm_name, mac)
    own = bool(install.answers_file)
    language = _language(kind, release)
    text = _read(install.answers_file) if own else language.make(want)
    checked = language.check(text)
    if checked.problems:
        raise InvalidSpec({"answers_file" if own else "answers": "; ".join(checked.problems)})
    others = {}
    if kind in ("autoinstall", "cloud-init"):
        others["meta-data"] = cloudinit.meta_data(vm_name)
    if kind == "cloud-init" and want.static:
        others["network-config"] = cloudinit.network_config(want.static, mac)
    shown = f"{install.answers_file}: not shown, as it may hold secrets\n"
    if not own:
        shown = language.make(want.shown)
    named = {language.file: text} | others, {language.file: shown} | others
    return Answers(language.label, *named, checked.notes)


def _read(path: str) -> str:
    try:
        file = Path(path).expanduser()
        if file.exists() and not file.is_file():
            raise InvalidSpec({"answers_file": f"{path!r}: it is no file"})
        with file.open("rb") as opened:
            content = opened.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise InvalidSpec({"answers_file": f"{path!r}: it is larger than {LONGEST // 2**20} MiB"})
        return content.decode()
    except OSError as error:
        raise InvalidSpec({"answers_file": f"{path!r}: {error.strerror}, on this machine"}) from None
    except UnicodeDecodeError:
        raise InvalidSpec({"answers_file": f"{path!r}: it is no text in UTF-8"}) from None
