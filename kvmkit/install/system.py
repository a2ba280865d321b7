"""libosinfo's name of what is in a tree: by it virt-install chooses the VM's devices."""

from __future__ import annotations

import re
from collections.abc import Collection

from kvmkit.install.tree import Tree

__all__ = ["system_name"]

_SHORT = {  # regular expressions
    "debian": "debian",
    "fedora": "fedora",
    "red hat": "rhel",
    "rhel": "rhel",
    "rocky": "rocky",
    "almalinux": "almalinux",
    "centos stream": "centos-stream",
    "centos": "centos",
    "oracle": "ol",
    "opensuse": "opensuse",
    "suse": "sles?",
}
_NUMBER = r"(\d{1,9}(?:(?:\.|sp)\d{1,9})*)"
"""Of a version as libosinfo writes it: 12, 9.2, 15sp5."""


def system_name(tree: Tree, known: Collection[str]) -> str:
    """Choose the name of a tree's system, or of the newest older one that is known; else ``detect``.

    Examples
    --------
    >>> tree = Tree("http://a", "treeinfo", "Red Hat Enterprise Linux", "9.6", "x86_64", "k", "i")
    >>> system_name(tree, ["rhel3", "rhel8.9", "rhel9.2", "rhel10.0", "rhel-unknown"])
    'rhel9.2'
    """
    family = tree.family.lower()
    short = next((name for words, name in _SHORT.items() if words in family), "")
    if "tumbleweed" in family and "opensusetumbleweed" in known:  # its version is a date
        return "opensusetumbleweed"
    if not short:
        return "detect"
    wanted = re.match(_NUMBER, tree.version)
    if not wanted:
        unknown = f"{short}-unknown"
        return unknown if tree.version and unknown in known else "detect"
    # Who says no minor version means its newest.
    most = [*_numbers(wanted[1]), float("inf")]
    found = {name: re.fullmatch(f"{short}{_NUMBER}", name) for name in known}
    older = {name: _numbers(match[1]) for name, match in found.items() if match}
    fit = [name for name, numbers in older.items() if numbers <= most]
    return max(fit, key=older.__getitem__, default="detect")


def _numbers(version: str) -> list[float]:
    return [float(number) for number in re.split(r"\.|sp", version)]
