"""dnf and zypper, above rpm."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from kvmkit.errors import CommandFailed
from kvmkit.prepare.manager import Change, patiently
from kvmkit.prepare.root import Root

__all__ = ["Dnf", "Zypper", "dnf_change", "zypper_change"]


class _Rpm:
    """What dnf and zypper have in common: rpm's database."""

    def repair(self, root: Root) -> None:
        """Nothing: rpm installs a package or does not, and what is missing is installed again."""

    def present(self, root: Root, names: Sequence[str], *, whole: bool) -> set[str]:
        """By rpm's database."""
        form = "%{NAME}\n%{NAME}.%{ARCH}\n"
        said = root.run(["env", "LC_ALL=C", "rpm", "-q", "--qf", form, *names], ok=False).stdout
        return set(said.splitlines()) & set(names)


# It would wait for a lock without end.
_DNF = ("env", "LC_ALL=C", "dnf", "-y", "--setopt=install_weak_deps=False", "--setopt=exit_on_lock=True")


class Dnf(_Rpm):
    """Fedora, RHEL and their kin."""

    install = (*_DNF, "install")
    # Not what nobody needs any more: it was there before. dnf 5 takes --noautoremove after `remove` alone.
    _remove = (*_DNF, "--setopt=clean_requirements_on_remove=False", "remove")

    def simulate(self, root: Root, names: Sequence[str]) -> Change:
        """By answering no to its question."""
        return self._ask(root, [*self.install, "--refresh", "--assumeno", *names])

    def simulate_removal(self, root: Root, names: Sequence[str]) -> Change:
        """By answering no to its question."""
        return self._ask(root, [*self._remove, "--assumeno", *names])

    def fetch(self, root: Root, names: Sequence[str]) -> None:
        """Download only, by lists that are new: by itself dnf trusts those that it has for two days."""
        patiently(root, [*self.install, "--refresh", "--downloadonly", *names])

    def remove(self, root: Root, names: Sequence[str]) -> None:
        """Remove just these."""
        patiently(root, [*self._remove, *names])

    def _ask(self, root: Root, argv: list[str]) -> Change:
        try:
            return dnf_change(patiently(root, argv).stdout)
        except CommandFailed as error:
            # A no counts as a failure.
            if "Operation aborted" not in f"{error.stdout}{error.stderr}":
                raise
            return dnf_change(error.stdout)


_ZYPPER = ("env", "LC_ALL=C", "zypper", "--non-interactive", "--xmlout")


class Zypper(_Rpm):
    """SUSE Linux Enterprise and openSUSE."""

    install = (*_ZYPPER, "install", "--no-recommends", "--auto-agree-with-licenses")

    def simulate(self, root: Root, names: Sequence[str]) -> Change:
        """By its dry run."""
        return zypper_change(patiently(root, [*self.install, "--dry-run", *names]).stdout)

    def simulate_removal(self, root: Root, names: Sequence[str]) -> Change:
        """By its dry run."""
        return zypper_change(patiently(root, [*_ZYPPER, "remove", "--dry-run", *names]).stdout)

    def fetch(self, root: Root, names: Sequence[str]) -> None:
        """Download only; the lists come along."""
        patiently(root, [*self.install, "--download-only", *names])

    def remove(self, root: Root, names: Sequence[str]) -> None:
        """Remove just these."""
        patiently(root, [*_ZYPPER, "remove", *names])


_SECTIONS = {
    "Installing": "added",
    "Upgrading": "upgraded",
    "Downgrading": "upgraded",
    "Removing": "removed",
    "Enabling": "streams",
}


def dnf_change(text: str) -> Change:
    """Read the table that dnf shows before it asks; a long name has a line to itself."""
    found: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS.values()}
    section = name = package = ""
    for line in text.splitlines():
        words = line.split()
        if line.startswith("Transaction Summary"):
            break
        if line and not line.startswith(" "):
            section, name = _SECTIONS.get(words[0].rstrip(":"), ""), ""
        elif words[:1] == ["replacing"]:
            # dnf 4: NAME.ARCH VERSION. dnf 5: NAME ARCH VERSION ..., also of what is upgraded.
            old, version = (words[1], words[3]) if len(words) > 3 else (words[1].rpartition(".")[0], words[2])
            if old != package:
                found["removed"][old] = version
        elif section == "streams" and words:
            found[section][words[0]] = words[-1]
        elif section and len(words) == 1:
            name = words[0]
        elif section and words:
            package, arch, version = ([name] if name else []) + words[: 2 if name else 3]
            found[section][f"{package}.{arch}"] = version
            name = ""
    streams = tuple(f"{module}:{stream}" for module, stream in found["streams"].items())
    return Change(found["added"], found["upgraded"], found["removed"], streams)


def zypper_change(xml: str) -> Change:
    """Read the summary of ``zypper --xmlout``."""
    root = etree.fromstring(xml.encode(), etree.XMLParser(resolve_entities=False, recover=True))

    def listed(*kinds: str) -> dict[str, str]:
        found = (each for kind in kinds for each in root.iterfind(f".//{kind}/solvable[@type='package']"))
        return {f"{each.get('name', '')}.{each.get('arch')}": each.get("edition", "") for each in found}

    changed = listed("to-upgrade", "to-downgrade", "to-upgrade-change-arch", "to-downgrade-change-arch")
    return Change(listed("to-install"), changed, listed("to-remove"))
