"""Install trees: what a distribution's installer is in, and how its kernel and initrd are found.

``.treeinfo`` is written by those who compose Fedora, RHEL and their kin, and read by productmd
(https://productmd.readthedocs.io/en/latest/treeinfo-1.0.html).  Debian has a layout instead
(https://www.debian.org/releases/stable/amd64/ch04s02.en.html).
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from productmd.treeinfo import TreeInfo

from kvmkit.errors import BadSource, NotFound
from kvmkit.install.fetch import look, read_small
from kvmkit.install.transport import join, local_path, shown

__all__ = ["Tree", "parse_sums", "parse_treeinfo", "read_tree"]

TREEINFO = (".treeinfo", "treeinfo")
"""Some servers hide files that begin with a dot; Anaconda looks for both, too."""
ROOTS = ("", "netboot/", "current/images/netboot/", "images/netboot/", "install/netboot/")
"""Where Debian's ``debian-installer/ARCH`` lies: below images, installer-ARCH or a mounted ISO."""
ARCHES = {"amd64": "x86_64", "i386": "i686", "arm64": "aarch64", "ppc64el": "ppc64le"}
"""Debian's names of architectures, and Linux's own."""
ALGORITHMS = ("md5", "sha1", "sha256", "sha384", "sha512")
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
        What it was known by.
    family, version, arch
        What is in it: ``Fedora``, ``40``, ``x86_64``; the version may be unknown, and is then empty.
    kernel, initrd
        Where they are, below the location.
    checksums
        Path below the location to ``sha256:HEX`` or the like.
    """

    location: str
    kind: Literal["treeinfo", "debian"]
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
        return " ".join(filter(None, (self.family, self.version, self.arch)))


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
            return parse_treeinfo(read_small(join(location, name)), location)
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
    info = TreeInfo()
    try:
        info.loads(text)
        arch = info.tree.arch
        images = info.images.images.get(arch, {})
        checksums = {
            path: f"{algorithm}:{value}"
            for path, (algorithm, value) in info.checksums.checksums.items()
            if algorithm in ALGORITHMS
        }
    except (configparser.Error, ValueError, TypeError, LookupError, AttributeError, NameError) as error:
        # What productmd raises for a text that is none: it has no error of its own.
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadSource(f"the .treeinfo of {shown(location)} cannot be used: {said}") from error
    boot = images.get("kernel", ""), images.get("initrd", "")
    for name, path in zip(("kernel", "initrd"), boot, strict=True):
        if not path:
            raise BadSource(f"the .treeinfo of {shown(location)} names no {name} for {arch}")
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise BadSource(f"the .treeinfo of {shown(location)} leads out of the tree, to {path}")
    return Tree(location, "treeinfo", info.release.name, info.release.version, arch, *boot, checksums)


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
