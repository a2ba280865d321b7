"""plan_packages: what a KVM host needs and has not, installed; and just that removed again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kvmkit.actions import action
from kvmkit.check.facts import read_facts
from kvmkit.check.packages import missing_packages
from kvmkit.errors import Conflict, InvalidSpec
from kvmkit.host import Host
from kvmkit.plan import Plan, Step
from kvmkit.prepare.manager import Change, patiently
from kvmkit.prepare.managers import MANAGERS, manager_of
from kvmkit.prepare.root import as_root
from kvmkit.prepare.service import refuse_while_vms_run
from kvmkit.progress import stoppable

__all__ = ["plan_packages"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:~-]{0,127}")


def plan_packages(host: Host, names: Sequence[str] = ()) -> Plan:
    """Plan to install packages; nothing is changed.

    The package manager itself says what that takes: apt by fresh lists in a folder
    of their own (`apt-get --simulate`), dnf by `--refresh --assumeno`, zypper by
    `--dry-run`. What is only recommended stays out.

    Parameters
    ----------
    host
        The host.
    names
        Packages; by default what the host lacks of QEMU, libvirt and their kin, as
        :func:`kvmkit.check_host` has it.

    Returns
    -------
    Plan
        Download, then installation. It names every package that is added; undo removes
        these and no other, on Debian and Ubuntu with their configuration. Empty if all
        are installed.

    Raises
    ------
    InvalidSpec
        That is no package's name.
    NotFound
        The host's repositories have no such package.
    Conflict
        The installation would remove other packages.
    Unsupported
        No rights, or an unknown system.
    Busy
        Another package manager works there, still after five minutes.
    CommandFailed
        The package manager gave up, in its own words: no repository answers, for example.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.plan_packages(kk.connect("test:///default")).empty  # the recorded host has them
    True
    """
    wrong = [name for name in names if not NAME.fullmatch(name)]
    if wrong:
        raise InvalidSpec({"names": f"{wrong[0]!r} is not the name of a package"})
    facts = read_facts(host)
    manager = manager_of(facts, host.uri)
    wanted = [*names] if names else missing_packages(facts, local=host.ssh is None)
    if host.practice:
        return _plan(host.uri, manager, wanted, Change(dict.fromkeys(wanted, "")), practice=True)
    root = as_root(host)
    code = MANAGERS[manager]
    wanted = sorted(set(wanted) - code.present(root, wanted, whole=True)) if wanted else []
    return _plan(host.uri, manager, wanted, code.simulate(root, wanted) if wanted else Change())


def _plan(uri: str, manager: str, wanted: list[str], change: Change, *, practice: bool = False) -> Plan:
    title = f"install {', '.join(wanted)}"
    # A package of another name may provide what is asked for.
    if not wanted or change == Change():
        return Plan(uri=uri, title="install packages", steps=())
    if change.removed:
        raise Conflict(
            f"to install {', '.join(wanted)} on {uri}, {manager} would remove {', '.join(change.removed)}: "
            "nothing is planned; see with it by hand what stands against what"
        )
    args = {"manager": manager, "packages": sorted(change.added), "wanted": wanted}
    one = len(change.added) == 1
    count = "1 package" if one else f"{len(change.added)} packages"
    was = f"{count} that {'was' if one else 'were'} added"
    steps = (
        Step(
            action="packages-fetch",
            title=f"download {count}",
            undo="nothing to take back: they are in the package manager's cache",
            args=args,
        ),
        Step(action="packages-install", title=title, undo=f"remove the {was}", args=args),
    )
    added = "\n".join(f"{name} {version}".strip() for name, version in sorted(change.added.items()))
    command = " ".join([*MANAGERS[manager].install, *wanted])
    return Plan(
        uri=uri,
        title=title,
        steps=steps,
        notes=tuple(_notes(change, practice=practice)),
        shown={
            "The command it stands for": command,
            f"The {count} that {'is' if one else 'are'} added": added,
        },
    )


def _notes(change: Change, *, practice: bool) -> Iterator[str]:
    yield "packages that are only recommended are left out"
    if practice:
        yield "rehearsed: what else these packages need is not known here"
    if change.upgraded:
        told = ", ".join(f"{name} {version}" for name, version in change.upgraded.items())
        yield f"upgraded along the way, and not taken back by undo: {told}"
    if change.streams:
        yield f"enables the module streams {', '.join(change.streams)}, which undo leaves enabled"


class PackagesFetch:
    """``manager``, ``packages``, ``wanted``: download, so that no network can fail half-way."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether it was done, or there is nothing left to download."""
        packages = step.args["packages"]
        present = MANAGERS[step.args["manager"]].present(as_root(host), packages, whole=True)
        return state == "done" or present == set(packages)

    def make(self, host: Host, step: Step, token: str) -> None:
        """Refresh the lists and download."""
        with stoppable():  # what has come by then is in the cache
            MANAGERS[step.args["manager"]].fetch(as_root(host), step.args["wanted"])

    def unmake(self, host: Host, step: Step) -> None:
        """Leave them in the cache, which the package manager keeps in order."""


class PackagesInstall:
    """``manager``, ``packages``, ``wanted``: install."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether all are installed; some of them, unasked, are somebody's whom undo would rob."""
        packages = step.args["packages"]
        present = MANAGERS[step.args["manager"]].present(as_root(host), packages, whole=True)
        if present and present != set(packages) and not state:
            told = ", ".join(sorted(present))
            raise Conflict(f"{told} came to {host.uri} since planning; plan again")
        return present == set(packages)

    def make(self, host: Host, step: Step, token: str) -> None:
        """Install, after finishing what a killed package manager left."""
        root, code = as_root(host), MANAGERS[step.args["manager"]]
        code.repair(root)
        patiently(root, [*code.install, *step.args["wanted"]])

    def unmake(self, host: Host, step: Step) -> None:
        """Remove what is there of the packages that were added, if nothing else has come to need them."""
        root, code = as_root(host), MANAGERS[step.args["manager"]]
        code.repair(root)
        present = sorted(code.present(root, step.args["packages"], whole=False))
        if not present:
            return
        if any("qemu" in name or "libvirt" in name for name in present):
            refuse_while_vms_run(host)
        others = code.simulate_removal(root, present).removed.keys() - set(step.args["packages"])
        if others:
            raise Conflict(
                f"{', '.join(sorted(others))} on {host.uri} came later and needs what undo would remove; "
                "remove that first"
            )
        code.remove(root, present)


action("packages-fetch", PackagesFetch(), rehearsed=True)
action("packages-install", PackagesInstall(), gradual=True, rehearsed=True)
