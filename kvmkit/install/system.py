"""libosinfo's name of what is in a tree: by it virt-install chooses the VM's devices."""

from __future__ import annotations

from collections.abc import Collection

from kvmkit.install.tree import Tree

__all__ = ["system_name"]

_SHORT = {
    "debian": "debian",
    "fedora": "fedora",
    "red hat": "rhel",
    "rocky": "rocky",
    "almalinux": "almalinux",
    "centos stream": "centos-stream",
    "centos": "centos",
}


def system_name(tree: Tree, known: Collection[str]) -> str:
    """Choose the name of a tree's system, or of the newest older one that is known; else ``detect``.

    Examples
    --------
    >>> tree = Tree("http://a", "debian", "Debian", "12", "x86_64", "k", "i")
    >>> system_name(tree, ["debian9", "debian11", "rocky9"])
    'debian11'
    """
    short = next((name for words, name in _SHORT.items() if words in tree.family.lower()), "")
    major = tree.version.partition(".")[0]
    for version in (tree.version, major):
        if f"{short}{version}" in known:
            return f"{short}{version}"
    numbers = [name.removeprefix(short) for name in known if short and name.startswith(short)]
    older = [int(n) for n in numbers if n.isdigit() and major.isdigit() and int(n) < int(major)]
    return f"{short}{max(older)}" if older else "detect"
