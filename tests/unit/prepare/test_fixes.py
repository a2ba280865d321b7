"""What a report asks for is offered, and nothing else: over all captures."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import kvmkit as kk
from kvmkit.check import judge_facts
from kvmkit.check.facts import Facts, OperatingSystem, parse
from kvmkit.prepare import fixes as module
from tests.unit.prepare.conftest import CAPTURES

UNSET = "kk.plan_qemu_conf(host, kk.QemuConfSpec(unset='vnc_listen user group dynamic_ownership'))"
UNSAFE = "qemu.conf: vnc_listen, qemu.conf: user and group, qemu.conf: dynamic_ownership"
OFFERED = {
    "arm64": [],
    "debian12": [],
    "debian12-bare": ["kk.plan_packages(host)  # packages, libvirt at boot"],
    # No plan gives a machine a processor that virtualizes, nor a kernel AppArmor.
    "debian12-no-svm": ["kk.plan_packages(host)  # packages"],
    "debian12-unprivileged": [],
    "debian12-unsafe": ["kk.plan_service(host)  # libvirt at boot", f"{UNSET}  # {UNSAFE}"],
    "opensuse": ["kk.plan_packages(host)  # packages, libvirt at boot"],
    # Too old: kvmkit changes nothing there.
    "rhel6": [],
    "rhel9": [],
    "ubuntu2404": [
        "kk.plan_packages(host)  # packages",
        "kk.plan_service(host)  # libvirt at boot",
        "kk.plan_defaults(host)  # default pool and network",
        f"{UNSET}  # {UNSAFE}",
    ],
}


def report_of(facts: Facts) -> kk.Report:
    return kk.Report("check", "qemu:///system", judge_facts(facts))


def test_every_capture_is_here() -> None:
    assert set(OFFERED) == {path.stem for path in CAPTURES.glob("*.txt")}


@pytest.mark.parametrize("name", OFFERED)
def test_a_report_is_offered_what_mends_it(name: str, read_capture: Callable[[str], Facts]) -> None:
    assert [str(fix) for fix in kk.fixes(report_of(read_capture(name))).values()] == OFFERED[name]


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.txt")), ids=lambda path: path.stem)
def test_every_row_that_names_the_runbook_is_offered_and_only_those(path: Path) -> None:
    report = report_of(parse(path.read_text()))
    named = {row.check for row in report.checks if row.runbook == "20-prepare-host"}
    offered = [check for fix in kk.fixes(report).values() for check in fix.checks]

    assert sorted(offered) == sorted(named)
    assert all(row.status in ("WARN", "FAIL") for row in report.checks if row.check in named)


@pytest.mark.parametrize(
    ("changes", "offered"),
    [
        ({"values": {"selinux": "0"}}, ["kk.plan_selinux(host, kk.SELinuxSpec())"]),
        ({"values": {}, "selinux_config": "disabled"}, ["kk.plan_selinux(host, kk.SELinuxSpec())"]),
        ({"values": {}, "selinux_config": ""}, []),
        (
            {"qemu_conf": {"security_driver": '[ "none" ]'}},
            ["kk.plan_qemu_conf(host, kk.QemuConfSpec(unset='security_driver'))"],
        ),
        ({"os": OperatingSystem("rhel", (), "7.9", "RHEL 7.9"), "values": {"selinux": "0"}}, []),
        ({"clock_synchronised": False, "device": None, "modules": ()}, []),
    ],
)
def test_what_a_ready_host_lacks(
    read_capture: Callable[[str], Facts], changes: dict[str, Any], offered: list[str]
) -> None:
    told = kk.fixes(report_of(replace(read_capture("rhel9"), **changes))).values()

    assert [str(fix).partition("  #")[0] for fix in told] == offered


def test_who_may_not_use_libvirt_is_let_into_the_group() -> None:
    row = kk.Check("libvirt answers", kk.Status.FAIL, "no", mended_by=("plan_libvirt_group", "pat"))
    fix = kk.fixes(kk.Report("check", "qemu:///system", [row]))["plan_libvirt_group"]

    assert str(fix) == "kk.plan_libvirt_group(host, 'pat')  # libvirt answers"


def test_every_plan_that_a_row_can_name_is_one_of_kvmkits() -> None:
    assert all(inspect.isfunction(getattr(kk, name)) for name in module.PLANS)
    assert set(module.ARGUMENTS) <= set(module.PLANS)


def test_on_the_practice_host_each_is_planned_and_mends_what_is_not_rehearsed() -> None:
    host = kk.connect("test:///default")
    offered = kk.fixes(kk.check_host(host))
    reports = {name: kk.apply(fix.plan(host)) for name, fix in offered.items()}

    assert list(offered) == ["plan_packages", "plan_service", "plan_defaults"]
    assert {row.status for row in reports["plan_packages"].checks} == {kk.Status.SKIP}
    assert {row.status for row in reports["plan_defaults"].checks} == {kk.Status.PASS}
    assert list(kk.fixes(kk.check_host(host))) == ["plan_packages", "plan_service"]


def test_what_a_fix_is_told_reaches_its_plan() -> None:
    host = kk.connect("test:///default")

    assert kk.Fix("plan_libvirt_group", ("pat",), ()).plan(host).steps[0].args["user"] == "pat"
    assert kk.Fix("plan_packages", ("swtpm",), ()).plan(host).steps[1].args["wanted"] == ["swtpm"]
