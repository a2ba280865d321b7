"""Install trees: what a distribution's installer is in, and how its kernel and initrd are found.

``.treeinfo`` is written by those who compose Fedora, RHEL, SUSE and their kin, in several formats
(https://productmd.readthedocs.io/en/latest/treeinfo-1.0.html); of it is read what virt-install reads.
Debian has a layout instead
(https://www.debian.org/releases/stable/amd64/ch04s02.en.html).
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from kvmkit.errors import BadSource, NotFound
from kvmkit.install.fetch import look, read_small
from kvmkit.install.transport import join, local_path, shown
from kvmkit.safe import one_line

__all__ = ["Tree", "parse_sums", "parse_treeinfo", "read_tree"]

TREEINFO = (".treeinfo", "treeinfo")
"""Some servers hide files that begin with a dot; Anaconda looks for both, too."""
ROOTS = ("", "netboot/", "current/images/netboot/", "images/netboot/", "install/netboot/")
"""Where Debian's ``debian-installer/ARCH`` lies: below images, installer-ARCH or a mounted ISO."""
ARCHES = {"amd64": "x86_64", "i386": "i686", "arm64": "aarch64", "ppc64el": "ppc64le"}
"""Debian's names of architectures, and Linux's own."""
ALGORITHMS = ("md5", "sha1", "sha256", "sha384", "sha512")
TREEINFO_LIMIT = 2**17
"""Bytes of a ``.treeinfo``; those of distributions have a few thousand."""
BOOT_LIMIT = 2**30
"""Bytes that a kernel or an initrd may have: what is larger is something else."""
_RELEASE = re.compile(r"Debian (?:GNU/Linux )?(\d+|testing|unstable)")
_SUM = re.compile(r"([0-9a-f]{64}|[0-9a-f]{128}) [ *](\S.*)")
_TAGGED = re.compile(r"SHA(256|512) \((.+)\) = ([0-9a-f]{64,128})")


@dataclass(frozen=True)
class Tree:
    """An install tree.

    Attributes
    ----------
    location
        Where it is, as it was given.
    kind
        What it was known by; SUSE's has ``.treeinfo``, and an installer that is told other things.
    family, version, arch
        What is in it: ``Fedora``, ``40``, ``x86_64``; the version may be unknown, and is then empty.
    kernel, initrd
        Where they are, below the location.
    checksums
        Path below the location to ``sha256:HEX`` or the like.
    """

    location: str
    kind: Literal["treeinfo", "suse", "debian"]
    family: str
    version: str
    arch: str
    kernel: str
    initrd: str
    checksums: dict[str, str] = field(default_factory=dict)

    def url(self, path: str) -> str:
        """Give the location of a file of the tree."""
        return join(self.location, path)

    def __str__(self) -> str:
        return one_line(" ".join(filter(None, (self.family, self.version, self.arch))))


def read_tree(location: str) -> Tree:
    """Find out what is in a tree.

    Parameters
    ----------
    location
        An http, https or ftp URL, or a folder of this machine.

    Raises
    ------
    NotFound
        The server answers, but there is no tree.
    BadSource
        It does not answer, or its ``.treeinfo`` cannot be used; says what is wrong.
    """
    for name in TREEINFO:
        try:
            return parse_treeinfo(read_small(join(location, name), TREEINFO_LIMIT), location)
        except NotFound:
            continue
    tree = _debian(location)
    if tree is None:
        folder = local_path(location)
        if folder and not folder.is_dir():
            raise NotFound(f"{folder} is no folder of this machine")
        has = "it has" if folder else "its server answers, but has"
        raise NotFound(
            f"{shown(location)} is no install tree: {has} neither .treeinfo nor Debian's "
            "debian-installer/ARCH there; give the folder that holds one of them"
        )
    return tree


def parse_treeinfo(text: str, location: str) -> Tree:
    """Read a ``.treeinfo``.

    Raises
    ------
    BadSource
        It cannot be read, or names no kernel and initrd below the tree.
    """
    problem = f"the .treeinfo of {shown(location)}"
    # No interpolation: a made-up file could have a few lines mean more than memory holds.
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise BadSource(f"{problem} cannot be used: {str(error).splitlines()[0]}") from error

    def first(*places: str) -> str:
        pairs = [place.split(".") for place in places]
        return next((parser[s][o] for s, o in pairs if parser.has_option(s, o)), "").strip()

    family = first("release.name", "product.name", "general.family")
    version = first("release.version", "product.version", "general.version")
    arch = first("tree.arch", "general.arch")
    if not arch:
        raise BadSource(f"{problem} cannot be used: it names no architecture")
    # Where there are several, those of a variant come first.
    images = [s for s in parser.sections() if s.startswith("images-") and s.endswith(f"-{arch}")]
    boot = []
    for name in ("kernel", "initrd"):
        path = first(*(f"{section}.{name}" for section in reversed(images) if "." not in section))
        if not path:
            raise BadSource(f"{problem} names no {name} for {arch}")
        if ".." in PurePosixPath(path).parts:
            raise BadSource(f"{problem} leads out of the tree, to {path}")
        boot.append(_below(path))
    kind: Literal["treeinfo", "suse"] = "suse" if "suse" in family.lower() else "treeinfo"
    sums = dict(parser["checksums"]) if parser.has_section("checksums") else {}
    checksums = {_below(path): value for path, value in sums.items() if value.partition(":")[0] in ALGORITHMS}
    return Tree(location, kind, family, _number(version), arch, boot[0], boot[1], checksums)


def _below(path: str) -> str:
    """Give a path below the tree; old composes write where it was on their own mirror."""
    return (path.partition("/os/")[2] or path).lstrip("/") if path.startswith("/") else path


def _number(version: str) -> str:
    """Give the number in a version such as ``6.4-Server``, or the version as it is."""
    return next((part for part in re.split(r"[-_ ]", version) if re.fullmatch(r"\d+(\.\d+)*", part)), version)


def _debian(location: str) -> Tree | None:
    named = re.search(r"/installer-(\w+)(?:/|$)", location)
    for arch in [named[1]] if named else ARCHES:
        for root in ROOTS:
            folder = f"{root}debian-installer/{arch}/"
            try:
                look(join(location, f"{folder}linux"))
            except NotFound:
                continue
            boot = f"{folder}linux", f"{folder}initrd.gz"
            version = _debian_version(location, folder)
            sums = _debian_sums(location, root)
            return Tree(location, "debian", "Debian", version, ARCHES.get(arch, arch), *boot, sums)
    return None


def _debian_version(location: str, folder: str) -> str:
    """Read it from the installer's own help page; an archive says at least its codename."""
    try:
        found = _RELEASE.search(read_small(join(location, f"{folder}boot-screens/f1.txt")))
    except NotFound:
        found = None
    codename = re.search(r"/dists/([\w-]+)/", location)
    return found[1] if found else codename[1] if codename else ""


def _debian_sums(location: str, root: str) -> dict[str, str]:
    """Read the checksums beside the folder netboot, whose paths begin there."""
    base = root.removesuffix("netboot/")
    if base == root:
        return {}
    try:
        found = parse_sums(read_small(join(location, f"{base}SHA256SUMS")))
    except NotFound:
        return {}
    return {f"{base}{path}": checksum for path, checksum in found.items()}


def parse_sums(text: str) -> dict[str, str]:
    """Read what sha256sum or sha512sum wrote: path to ``sha256:HEX``.  Both of its notations will do."""
    return dict(_sums(text))


def _sums(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if found := _TAGGED.fullmatch(line.strip()):
            yield found[2], f"sha{found[1]}:{found[3]}"
        elif found := _SUM.fullmatch(line.strip()):
            yield found[2].removeprefix("./"), f"sha{len(found[1]) * 4}:{found[1]}"
