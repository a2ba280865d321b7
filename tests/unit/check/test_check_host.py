"""check_host on this machine, with a libvirt that is not there, and by way of ssh."""

import stat
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.check import judge_facts
from kvmkit.check.facts import Facts, OperatingSystem, Unit, read_facts
from kvmkit.check.services import _make_it_answer

# A libvirt that no machine has, on whatever machine this is.
NOWHERE = "qemu+unix:///system?socket=/nowhere/libvirt-sock"


def test_a_host_without_libvirt_is_reported_and_not_raised() -> None:
    report = kk.check_host(kk.connect(NOWHERE))
    answer = report.checks[0]

    assert not report.ok
    assert (answer.check, answer.status, answer.runbook) == ("libvirt answers", "FAIL", "20-prepare-host")
    assert "/nowhere/libvirt-sock" in answer.found
    assert "check_host" not in answer.found
    assert answer.fix


def test_the_other_rows_are_this_machines() -> None:
    host = kk.connect(NOWHERE)
    judged = judge_facts(read_facts(host))
    checks = kk.check_host(host).checks

    assert [check.check for check in checks[1:]] == [check.check for check in judged]
    assert [check.why for check in checks[1:]] == [check.why for check in judged]
    assert read_facts(host, only_kvm=True).cpu_flags == read_facts(host).cpu_flags


@pytest.mark.parametrize(
    ("said", "commands", "fix", "plan"),
    [
        ("No such file", {"dnf"}, "install libvirt: see the row of the packages", ("plan_packages",)),
        (
            "Permission denied",
            {"libvirtd"},
            "gpasswd -a pat libvirt, and log in again",
            ("plan_libvirt_group", "pat"),
        ),
        (
            "authentication unavailable: no polkit agent",
            {"libvirtd"},
            "gpasswd -a pat libvirt, and log in again",
            ("plan_libvirt_group", "pat"),
        ),
        ("Connection refused", {"libvirtd"}, "systemctl enable --now libvirtd.service", ("plan_service",)),
    ],
)
def test_the_fix_fits_what_libvirt_said(
    said: str, commands: set[str], fix: str, plan: tuple[str, ...]
) -> None:
    facts = Facts(user="pat", commands=frozenset(commands), os=OperatingSystem("fedora", (), "41"))
    told = _make_it_answer(facts, said)

    assert (told["fix"], told["mended_by"], told["runbook"]) == (fix, plan, "20-prepare-host")


@pytest.mark.parametrize(
    ("groups", "active", "plan"),
    [
        (frozenset({"pat"}), "active", "plan_libvirt_group"),
        (frozenset({"pat"}), "inactive", "plan_service"),
        (frozenset({"pat", "libvirt"}), "active", "plan_service"),
    ],
)
def test_who_is_kept_out_is_known_where_libvirt_speaks_german(
    groups: frozenset[str], active: str, plan: str
) -> None:
    facts = Facts(
        user="pat",
        user_groups=groups,
        commands=frozenset({"libvirtd"}),
        units={"libvirtd.socket": Unit(active, "enabled")},
        os=OperatingSystem("fedora", (), "41"),
    )

    assert _make_it_answer(facts, "Keine Berechtigung")["mended_by"][0] == plan


def test_a_session_that_does_not_answer_is_mended_by_hand() -> None:
    facts = Facts(session=True, commands=frozenset({"libvirtd"}), os=OperatingSystem("fedora", (), "41"))

    assert _make_it_answer(facts, "Permission denied").keys() == {"fix"}


NO_LIBVIRT = "case $last in *libvirt*) exit 1 ;; esac"


def test_it_calls_ssh_once_for_the_facts_and_once_for_libvirt(tmp_path: Path) -> None:
    # Stands for ssh: notes that it was called, and runs the command on this machine, but for libvirt's own.
    ssh = tmp_path / "ssh"
    ssh.write_text(
        f'#!/bin/sh\necho call >>"{tmp_path}/calls"\nfor last; do :; done\n{NO_LIBVIRT}\nexec sh -c "$last"\n'
    )
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    report = kk.check_host(kk.connect(f"qemu+ssh://kvm1/system?command={ssh}"))

    assert len(report.checks) == 24
    [packages] = [check for check in report.checks if check.check == "packages"]
    assert "virt-install" not in packages.why  # it describes VMs where runbooks run
    assert report.checks[0].status == "FAIL"
    # And once more, as libvirt does not answer: whether a login shell that talks is why.
    assert (tmp_path / "calls").read_text().count("call") == 3
