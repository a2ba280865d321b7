"""plan_service: libvirt runs, and starts at boot."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from kvmkit.actions import action
from kvmkit.check.facts import Unit, parse_units, read_facts
from kvmkit.check.services import daemons
from kvmkit.errors import CommandFailed, Conflict, HostUnavailable, Unsupported, WrongState
from kvmkit.host import Host
from kvmkit.plan import Plan, Step
from kvmkit.prepare.root import Root, as_root

__all__ = ["may_run", "plan_service", "refuse_while_vms_run", "restart"]

# Enabling a service enables what its [Install] names in Also=: undo has to know of all of them.
FAMILY = ("libvirtd*", "virt*d.service", "virt*d.socket", "virt*d-*.socket")
SHOW = ("systemctl", "show", "-p", "Id", "-p", "LoadState", "-p", "ActiveState", "-p", "UnitFileState")
START_SECONDS = 180
ANSWER_SECONDS = 60
ASK = "! command -v virsh >/dev/null || virsh -c qemu:///system uri"


def plan_service(host: Host) -> Plan:
    """Plan to start libvirt and to have it start at boot; nothing is changed.

    Parameters
    ----------
    host
        A host with systemd, on which libvirt is installed.

    Returns
    -------
    Plan
        ``libvirtd``, or ``virtqemud`` and its kin where the daemons are modular; empty if
        all is so already. Applying opens the URI at the end. Undo puts back what was
        enabled and what ran, sockets included.

    Raises
    ------
    WrongState
        libvirt is not installed, or one of its units is masked.
    Unsupported
        No rights, no systemd, or ``qemu:///session``.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.plan_service(kk.connect("test:///default")).empty  # it runs on the recorded host
    True
    """
    if host.is_session:
        raise Unsupported(f"{host.uri} has no service: its daemon starts when it is used")
    facts = read_facts(host)
    if facts.units is None:
        raise Unsupported(f"{host.uri} does not run systemd: start libvirt as its own system does")
    return _plan(host.uri, facts.units if host.practice else _read(as_root(host)))


def _read(root: Root) -> dict[str, Unit]:
    listed = root.run(["systemctl", "list-unit-files", "--no-legend", "--no-pager", *FAMILY], ok=False).stdout
    names = [line.split()[0] for line in listed.splitlines() if line.strip()]
    if not names:
        return {}
    return parse_units(root.run([*SHOW, *names]).stdout.splitlines()) or {}


def _plan(uri: str, units: Mapping[str, Unit]) -> Plan:
    services = daemons(units)
    if not services:
        raise WrongState(f"libvirt is not installed on {uri}: kk.plan_packages(host) plans that")
    masked = [name for name in services if units[name].enabled.startswith("masked")]
    if masked:
        raise WrongState(
            f"{masked[0]} is masked on {uri}: somebody wants it never to start; if that is over, "
            f"run `systemctl unmask {masked[0]}` there"
        )
    before = {name: [unit.active, unit.enabled] for name, unit in sorted(units.items())}
    step = Step(
        action="service-start",
        title=f"start {', '.join(services)}, now and at boot",
        undo="enable and run what was enabled and ran before",
        args={"units": services, "before": before},
    )
    return Plan(
        uri=uri,
        title="start libvirt",
        steps=() if _stand(units, services) else (step,),
        shown={"The command it stands for": f"systemctl enable --now {' '.join(services)}"},
    )


def _stand(units: Mapping[str, Unit], services: Sequence[str]) -> bool:
    """Whether all are enabled, and run or are listened for: an idle modular daemon ends by itself."""
    enabled = [name for name in services if name in units and units[name].starts_at_boot]
    return enabled == [*services] and all(may_run(units, name) for name in services)


def may_run(units: Mapping[str, Unit], service: str) -> bool:
    """Whether a service runs, or starts whenever somebody connects."""
    names = (service, service.replace(".service", ".socket"))
    return any(name in units and units[name].active == "active" for name in names)


class ServiceStart:
    """``units``, ``before`` (unit: active, enabled): enable and start."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        return _stand(_read(as_root(host)), step.args["units"])

    def make(self, host: Host, step: Step, token: str) -> None:
        """Enable and start them, and open the URI."""
        as_root(host).run(["systemctl", "enable", "--now", *step.args["units"]], timeout=START_SECONDS)
        _answers(host, step.args["units"])

    def unmake(self, host: Host, step: Step) -> None:
        root, before = as_root(host), step.args["before"]
        units = _read(root)
        was = {name: before.get(name, ["inactive", "disabled"]) for name in units}
        stop = [name for name in units if units[name].active == "active" and was[name][0] == "inactive"]
        if stop:
            refuse_while_vms_run(host)
        disable = [name for name in units if units[name].enabled == "enabled" and was[name][1] == "disabled"]
        _systemctl(root, "disable", disable)
        # Disabling a service has disabled its sockets too.
        now = _read(root) if disable else {}
        lost = [name for name in now if now[name].enabled == "disabled" and was[name][1] == "enabled"]
        _systemctl(root, "enable", lost)
        _systemctl(root, "stop", stop)


def _systemctl(root: Root, verb: str, units: Sequence[str]) -> None:
    if units:
        root.run(["systemctl", verb, *units], timeout=START_SECONDS)


class ServiceRestart:
    """``units``: have running daemons read their configuration; VMs go on meanwhile."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether it was done: nothing on the host would show it."""
        return state == "done"

    def make(self, host: Host, step: Step, token: str) -> None:
        restart(host, step.args["units"])

    def unmake(self, host: Host, step: Step) -> None:
        """Nothing: whoever puts the configuration back restarts them after that."""


def restart(host: Host, units: Sequence[str]) -> None:
    """Restart daemons, also after they gave up over a bad configuration, and open the URI.

    Raises
    ------
    WrongState
        libvirt does not come up; its last words.
    """
    # systemd refuses to start what has failed too often.
    root = as_root(host)
    root.run(["systemctl", "reset-failed", *units], ok=False)
    root.run(["systemctl", "restart", *units], timeout=START_SECONDS, ok=False)
    _answers(host, units)


def _answers(host: Host, units: Sequence[str]) -> None:
    root = as_root(host)
    try:
        # First by a command, which is bounded: a daemon that gives up over its configuration is started
        # again and again by its socket, and libvirt waits for it without end.
        root.run(["sh", "-c", ASK], timeout=ANSWER_SECONDS)
        with host.reading("ask libvirt for its version") as connection:
            connection.getLibVersion()
    except (CommandFailed, HostUnavailable) as error:
        words = [word for unit in units for word in ("-u", unit)]
        log = root.run(["journalctl", *words, "-p", "err", "-n", "4", "-o", "cat", "--no-pager"], ok=False)
        said = "; ".join(log.stdout.splitlines()) or str(error)
        raise WrongState(f"{', '.join(units)} does not come up on {host.uri}: {said}") from error


def refuse_while_vms_run(host: Host) -> None:
    """Raise Conflict if VMs run on a host; one whose libvirt does not answer runs none that can be seen."""
    with contextlib.suppress(HostUnavailable), host.reading("look for running VMs") as connection:
        running = sorted(d.name() for d in connection.listAllDomains() if d.isActive())
        if running:
            raise Conflict(f"VMs run on {host.uri}: {', '.join(running)}; shut them down first")


action("service-start", ServiceStart(), gradual=True, rehearsed=True)
action("service-restart", ServiceRestart(), rehearsed=True)
