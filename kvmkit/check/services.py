"""libvirt's daemons, one or many, and the clock."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from kvmkit.check.facts import DAEMONS, Facts, Unit
from kvmkit.check.packages import can_install
from kvmkit.check.system import NO_SYSTEMD, mended
from kvmkit.errors import HostUnavailable
from kvmkit.report import Check, Status

if TYPE_CHECKING:
    from kvmkit.host import Host

__all__ = ["daemons", "judge_answer", "judge_services"]

# libvirt's documentation, "Libvirt Daemons", section "Switching to modular daemons".
MODULAR = ("qemu", "interface", "network", "nodedev", "nwfilter", "secret", "storage")
# Those without which a VM has no disk or no network.
NEEDED = ("virtqemud", "virtnetworkd", "virtstoraged")
INSTALL = "install libvirt: see the row of the packages"


def judge_answer(host: Host, facts: Facts) -> Check:
    """Judge libvirt by opening the URI: the only test that holds for every kind of daemon."""
    row = partial(
        Check,
        "libvirt answers",
        expected=f"a connection to {host.uri}",
        why="everything about VMs goes through libvirt's daemon",
    )
    try:
        with host.reading("ask libvirt for its version") as connection:
            if facts.practice:
                return row(Status.PASS, "libvirt's test driver answers")
            number = connection.getLibVersion()
            version = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
            return row(Status.PASS, f"libvirt {version}")
    except HostUnavailable as error:
        # Where it was libvirt that failed, its own words: the advice around them leads here.
        said = str(error.__cause__ or error)
        return row(Status.FAIL, f"no: {said}", **_make_it_answer(facts, said))


def _make_it_answer(facts: Facts, said: str) -> dict[str, Any]:
    """Say what to do, and which plan does it."""
    if not facts.libvirt:
        return _install(facts)
    if facts.session:
        return {"fix": "run `virsh -c qemu:///session uri` in a terminal: it says what stands in its way"}
    if "ermission denied" in said or "authentication" in said or _kept_out(facts):
        fix = f"{shlex.join(['gpasswd', '-a', facts.user, 'libvirt'])}, and log in again"
        return {"fix": fix, **mended(facts, "plan_libvirt_group", facts.user)}
    return _enable(facts, f"systemctl enable --now {_to_enable(facts)}")


def _kept_out(facts: Facts) -> bool:
    """Whether who asks has no right to a daemon that runs: over SSH the host says so in its own language."""
    runs = any(facts.runs(f"{daemon}.{kind}") for daemon in DAEMONS for kind in ("service", "socket"))
    return runs and facts.user != "root" and "libvirt" not in facts.user_groups


def _install(facts: Facts) -> dict[str, Any]:
    # Where it is not known how packages are named, the row of the packages offers no plan, nor does this.
    return {"fix": INSTALL} | (mended(facts, "plan_packages") if can_install(facts) else {})


def _enable(facts: Facts, fix: str) -> dict[str, Any]:
    return {"fix": fix, **mended(facts, "plan_service")}


def _to_enable(facts: Facts) -> str:
    # Enabling a service enables its sockets too.
    return " ".join(daemons(facts.units or {}) or ["libvirtd.service"])


def daemons(units: Mapping[str, Unit]) -> list[str]:
    """Choose libvirt's services: those in use, or else the modular ones, as libvirt itself recommends."""
    modular = [f"virt{name}d.service" for name in MODULAR if f"virt{name}d.service" in units]
    one = units.get("libvirtd.service")
    if one and (one.active == "active" or one.enabled == "enabled" or "virtqemud.service" not in modular):
        return ["libvirtd.service"]
    return modular if "virtqemud.service" in modular else []


def judge_services(facts: Facts) -> list[Check]:
    """Judge what starts at boot, and the clock."""
    return [_at_boot(facts), _clock(facts)]


def _at_boot(facts: Facts) -> Check:
    row = partial(
        Check,
        "libvirt at boot",
        expected="libvirtd, or virtqemud and its kin, start at boot",
        why="VMs marked autostart come back after a reboot only if libvirt does",
    )
    if facts.session:
        return row(Status.SKIP, "qemu:///session starts when it is used")
    if facts.practice:
        found = "rehearsed: libvirtd starts at boot on the recorded host; here is no service"
        return row(Status.SKIP, found, **mended(facts, "plan_service"))
    if facts.units is None:
        return row(Status.SKIP, NO_SYSTEMD)
    if not facts.libvirt:
        return row(Status.FAIL, "libvirt is not installed", **_install(facts))
    return _enabled(facts, facts.units, row)


def _enabled(facts: Facts, units: Mapping[str, Unit], row: partial[Check]) -> Check:
    def enabled(daemon: str, kind: str) -> bool:
        unit = units.get(f"{daemon}.{kind}")
        return unit is not None and unit.starts_at_boot

    started = [daemon for daemon in DAEMONS if enabled(daemon, "service")]
    listening = [daemon for daemon in DAEMONS if enabled(daemon, "socket")]
    if not started and not listening:
        fix = f"systemctl enable --now {_to_enable(facts)}"
        return row(Status.FAIL, "neither libvirtd nor virtqemud is enabled", **_enable(facts, fix))
    if not started:
        found = f"only {listening[0]}.socket is enabled: autostarted VMs wait until somebody connects"
        return row(Status.WARN, found, **_enable(facts, f"systemctl enable {listening[0]}.service"))
    asleep = [name for name in NEEDED if not enabled(name, "socket") and not enabled(name, "service")]
    if "libvirtd" not in started and asleep:
        found = f"virtqemud is enabled, {' and '.join(asleep)} not: networks or pools do not answer"
        fix = "systemctl enable --now " + " ".join(f"{name}.socket" for name in asleep)
        return row(Status.WARN, found, **_enable(facts, fix))
    return row(Status.PASS, f"{started[0]} is enabled")


def _clock(facts: Facts) -> Check:
    row = partial(
        Check,
        "clock",
        expected="synchronised",
        why="VMs take their time from the host; certificates and logs need it right",
    )
    if facts.clock_synchronised is None:
        return row(Status.SKIP, "cannot be told: timedatectl does not answer")
    if facts.clock_synchronised:
        return row(Status.PASS, "synchronised")
    fix = "timedatectl set-ntp true (by systemd-timesyncd or chrony), and let NTP through the firewall"
    return row(Status.WARN, "not synchronised", fix=fix)
