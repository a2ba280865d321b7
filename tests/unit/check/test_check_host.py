"""check_host on this machine, with a libvirt that is not there, and by way of ssh."""

import stat
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.check import judge_facts
from kvmkit.check.facts import Facts, read_facts
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
    names = [check.check for check in judge_facts(read_facts(host))]

    assert [check.check for check in kk.check_host(host).checks] == ["libvirt answers", *names]
    assert read_facts(host, only_kvm=True).cpu_flags == read_facts(host).cpu_flags


@pytest.mark.parametrize(
    ("said", "commands", "fix"),
    [
        ("No such file", frozenset(), "install libvirt: see the row of the packages"),
        ("Permission denied", {"libvirtd"}, "usermod -aG libvirt pat, and log in again"),
        (
            "authentication unavailable: no polkit agent",
            {"libvirtd"},
            "usermod -aG libvirt pat, and log in again",
        ),
        ("Connection refused", {"libvirtd"}, "systemctl enable --now libvirtd.service"),
    ],
)
def test_the_fix_fits_what_libvirt_said(said: str, commands: frozenset[str], fix: str) -> None:
    assert _make_it_answer(Facts(user="pat", commands=frozenset(commands)), said) == fix


def test_it_calls_ssh_once_for_the_facts_and_once_for_libvirt(tmp_path: Path) -> None:
    # Stands for ssh: notes that it was called, and runs the command on this machine.
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\necho call >>"{tmp_path}/calls"\nfor last; do :; done\nexec sh -c "$last"\n')
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    report = kk.check_host(kk.connect(f"qemu+ssh://kvm1/system?command={ssh}&socket=/nowhere/libvirt-sock"))

    assert len(report.checks) == 23
    assert report.checks[0].status == "FAIL"
    assert (tmp_path / "calls").read_text().count("call") == 2
