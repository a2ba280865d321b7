"""Which daemons are started on which host, and that undo puts back what was enabled and what ran.

systemd is a table in memory here: the machine that runs the tests keeps its services.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

import kvmkit as kk
from kvmkit.check.facts import Facts, Unit
from kvmkit.check.services import daemons
from kvmkit.commands import Result
from kvmkit.prepare import service
from kvmkit.prepare.root import Root
from kvmkit.prepare.service import _plan, _stand

OFF = Unit("inactive", "disabled")
ON = Unit("active", "enabled")
MONOLITHIC = {"libvirtd.service": OFF, "libvirtd.socket": OFF, "virtlogd.socket": OFF}
DAEMONS = (
    *("virtqemud", "virtinterfaced", "virtnetworkd", "virtnodedevd"),
    *("virtnwfilterd", "virtsecretd", "virtstoraged"),
)
MODULAR = {f"{name}.{kind}": OFF for name in DAEMONS for kind in ("service", "socket")}


def test_one_daemon_is_started_where_there_is_one() -> None:
    assert daemons(MONOLITHIC) == ["libvirtd.service"]


def test_modular_daemons_are_started_where_they_are() -> None:
    assert daemons(MODULAR) == [f"{name}.service" for name in DAEMONS]


def test_where_both_are_installed_the_one_in_use_is_kept() -> None:
    both = MONOLITHIC | MODULAR

    assert "virtqemud.service" in daemons(both)
    assert daemons(both | {"libvirtd.service": ON}) == ["libvirtd.service"]


@pytest.mark.parametrize("capture", ["debian12", "rhel9"])
def test_a_host_that_is_ready_needs_nothing(read_capture: Callable[[str], Facts], capture: str) -> None:
    units = read_capture(capture).units

    assert units
    assert _plan("kvm1", units).empty


@pytest.mark.parametrize("capture", ["debian12-unsafe", "ubuntu2404"])
def test_a_host_whose_service_is_off_gets_it_started(
    read_capture: Callable[[str], Facts], capture: str
) -> None:
    units = read_capture(capture).units

    assert units
    (step,) = _plan("kvm1", units).steps
    assert step.title == "start libvirtd.service, now and at boot"
    assert step.args["before"]["libvirtd.service"] == [
        units["libvirtd.service"].active,
        units["libvirtd.service"].enabled,
    ]


def test_an_idle_modular_daemon_that_is_listened_for_is_fine() -> None:
    units = dict.fromkeys(MODULAR, ON) | {"virtqemud.service": Unit("inactive", "enabled")}

    assert _plan("kvm1", units).empty
    assert not _plan("kvm1", units | {"virtqemud.socket": OFF}).empty


def test_without_libvirt_the_way_to_get_it_is_told(read_capture: Callable[[str], Facts]) -> None:
    with pytest.raises(kk.WrongState, match=r"libvirt is not installed on kvm1: kk\.plan_packages"):
        _plan("kvm1", read_capture("debian12-bare").units or {})


def test_what_somebody_masked_stays_masked() -> None:
    with pytest.raises(kk.WrongState, match=r"libvirtd\.service is masked on kvm1"):
        _plan("kvm1", {"libvirtd.service": Unit("inactive", "masked")})


def test_a_session_has_no_service() -> None:
    with pytest.raises(kk.Unsupported, match="has no service"):
        kk.plan_service(kk.connect("qemu:///session"))


class Systemd:
    """Units in memory; like the real ones, libvirtd takes its sockets along."""

    ALSO = ("libvirtd.socket", "virtlogd.socket")

    def __init__(self, units: dict[str, Unit]) -> None:
        self.units = dict(units)

    def run(self, argv: Sequence[str]) -> None:
        verb, *names = argv[1:]
        now = "--now" in names
        for name in [name for name in names if name != "--now"]:
            family = [name, *(self.ALSO if name == "libvirtd.service" and verb != "stop" else ())]
            for each in family:
                unit = self.units[each]
                enabled = {"enable": "enabled", "disable": "disabled"}.get(verb, unit.enabled)
                active = "active" if now else "inactive" if verb == "stop" else unit.active
                self.units[each] = Unit(active, enabled)


BEFORE = [
    MONOLITHIC,
    MONOLITHIC | {"libvirtd.socket": ON},
    MONOLITHIC
    | {"libvirtd.service": Unit("active", "disabled"), "libvirtd.socket": Unit("active", "disabled")},
    MONOLITHIC | {"libvirtd.service": Unit("inactive", "enabled"), "virtlogd.socket": ON},
]


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("answers", [True, False])
def test_undo_and_failure_put_back_what_was_enabled_and_what_ran(
    here: kk.Host, monkeypatch: pytest.MonkeyPatch, before: dict[str, Unit], answers: bool
) -> None:
    systemd = Systemd(before)

    class AsRoot(Root):
        def run(self, argv: Sequence[str], **_: Any) -> Result:
            systemd.run(argv)
            return Result(0, "", "")

    def ask(host: kk.Host, units: Sequence[str]) -> None:
        if not answers:
            raise kk.WrongState("libvirtd.service does not come up")

    monkeypatch.setattr(service, "as_root", AsRoot)
    monkeypatch.setattr(service, "_read", lambda root: dict(systemd.units))
    monkeypatch.setattr(service, "_answers", ask)
    monkeypatch.setattr(service, "refuse_while_vms_run", lambda host: None)

    if answers:
        report = kk.apply(_plan(here.uri, before))
        assert _stand(systemd.units, ["libvirtd.service"])
        kk.undo(report)
    else:
        with pytest.raises(kk.ApplyFailed, match="the host is as before"):
            kk.apply(_plan(here.uri, before))
    assert systemd.units == before
