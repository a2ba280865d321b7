"""apt and dpkg: Debian, Ubuntu and their kin."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kvmkit.commands import script
from kvmkit.prepare.manager import Change, patiently
from kvmkit.prepare.root import Root

__all__ = ["Apt", "apt_change"]

# needrestart only lists what it would restart: a restart of libvirt in between is not for it to choose.
_APT = (
    *("env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l", "apt-get", "-q", "-y"),
    *("-o", "Dpkg::Use-Pty=0"),
    *("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"),
)


class Apt:
    """Debian, Ubuntu and their kin."""

    install = (*_APT, "--no-install-recommends", "--fix-broken", "install")

    def simulate(self, root: Root, names: Sequence[str]) -> Change:
        """By the newest lists, which are fetched into a folder of their own: the host's stay as they are."""
        # Not as an argument: should it fail, the error shows the command.
        argv, read = ["env", "LC_ALL=C", "sh", "-s", *names], script("prepare/simulate-apt.sh")
        return apt_change(patiently(root, argv, stdin=read, seconds=600).stdout)

    def simulate_removal(self, root: Root, names: Sequence[str]) -> Change:
        """By itself: what is installed is known without lists."""
        return apt_change(patiently(root, [*_APT, "--simulate", "purge", *names]).stdout)

    def fetch(self, root: Root, names: Sequence[str]) -> None:
        """Update, then download only."""
        # It is a success to apt when a repository does not answer.
        updated = patiently(root, [*_APT, "update"])
        download = [*_APT, "--no-install-recommends", "--download-only", "install", *names]
        patiently(root, download, heard=f"{updated.stdout}\n{updated.stderr}")

    def repair(self, root: Root) -> None:
        """Have dpkg configure what it had unpacked; what it cannot, apt's --fix-broken can."""
        if root.run(["dpkg", "--audit"], ok=False).stdout:
            options = ["--force-confdef", "--force-confold"]
            env = ["env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"]
            patiently(root, [*env, "dpkg", *options, "--configure", "-a"], fine=(0, 1))

    def remove(self, root: Root, names: Sequence[str]) -> None:
        """Purge: the configuration too, and what a killed dpkg left in pieces."""
        patiently(root, [*_APT, "-o", "Dpkg::Options::=--force-remove-reinstreq", "purge", *names])

    def present(self, root: Root, names: Sequence[str], *, whole: bool) -> set[str]:
        """By dpkg's database."""
        form = "${Package} ${Package}:${Architecture} ${db:Status-Status}\n"
        lines = root.run(["dpkg-query", "-W", "-f", form, *names], ok=False).stdout.splitlines()
        found: set[str] = set()
        for name, full, status in map(str.split, lines):
            if status == "installed" or not (whole or status == "not-installed"):
                found |= {name, full}
        return found & set(names)


def apt_change(text: str) -> Change:
    """Read ``apt-get --simulate``: ``Inst NAME [OLD] (NEW ...)``, and ``Remv`` or ``Purg NAME [OLD]``."""
    added, upgraded, removed = {}, {}, {}
    line = re.compile(r"^(Inst|Remv|Purg) (\S+)(?: \[([^]]*)\])?(?: \((\S+))?", re.MULTILINE)
    for verb, name, old, new in line.findall(text):
        if verb != "Inst":
            removed[name] = old
        elif old:
            upgraded[name] = new
        else:
            added[name] = new
    return Change(added, upgraded, removed)
