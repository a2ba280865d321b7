"""What installers' kernels are told."""

import re
import shlex
from typing import Any

import pytest

from kvmkit.install.answers.preseed import preseed
from kvmkit.install.answers.wanted import wanted
from kvmkit.install.arguments import kernel_arguments, kickstart_release, virt_install_line
from kvmkit.install.spec import InstallSpec

TREE = "http://192.168.0.200/tree"
PRESEED = "auto=true priority=critical DEBIAN_FRONTEND=text TERM=dumb"


def arguments(answers: str, delivery: str, release: str, **fields: Any) -> str:
    spec = InstallSpec(**({"location": TREE, "hostname": "web1"} | fields))
    return kernel_arguments(answers, delivery, release, spec)


@pytest.mark.parametrize(
    ("answers", "delivery", "release", "expected"),
    [
        ("kickstart", "initrd", "RHEL9", f"inst.repo={TREE} inst.ks=file:/ks.cfg console=ttyS0"),
        ("kickstart", "seed", "F40", f"inst.repo={TREE} inst.ks=hd:LABEL=OEMDRV:/ks.cfg console=ttyS0"),
        ("kickstart", "http", "RHEL8", f"inst.repo={TREE} inst.ks=@answers@ console=ttyS0"),
        ("kickstart", "initrd", "RHEL6", f"method={TREE} ks=file:/ks.cfg console=ttyS0"),
        ("kickstart", "initrd", "", f"inst.repo={TREE} inst.ks=file:/ks.cfg console=ttyS0"),
        ("none", "initrd", "RHEL9", f"inst.repo={TREE} console=ttyS0"),
        ("none", "initrd", "suse", f"install={TREE} console=ttyS0"),
        (
            "preseed",
            "initrd",
            "debian",
            f"{PRESEED} preseed/file=/preseed.cfg console=ttyS0",
        ),
        (
            "preseed",
            "http",
            "debian",
            f"{PRESEED} url=@answers@ netcfg/hostname=web1 console=ttyS0",
        ),
    ],
)
def test_each_installer_is_told_in_its_own_words(
    answers: str, delivery: str, release: str, expected: str
) -> None:
    assert arguments(answers, delivery, release) == expected


def test_arguments_of_ones_own_come_last_and_may_name_the_console() -> None:
    assert arguments("none", "initrd", "RHEL9", kernel_args="quiet").endswith("console=ttyS0 quiet")
    told = arguments("none", "initrd", "RHEL9", kernel_args="console=tty0 quiet")
    assert told.endswith(f"{TREE} console=tty0 quiet")


def test_a_fixed_address_is_the_installers_too() -> None:
    told = arguments("kickstart", "initrd", "RHEL9", network="10.0.0.9/22 10.0.0.1 10.0.0.2")
    assert "ip=10.0.0.9::10.0.0.1:255.255.252.0:::none nameserver=10.0.0.2" in told
    told = arguments("kickstart", "initrd", "RHEL9", network="fd00::9/64 fd00::1")
    assert "ip=[fd00::9]::[fd00::1]:64:::none" in told


def test_debians_installer_is_told_its_address_by_the_answers_unless_it_needs_that_to_get_them() -> None:
    network = "10.0.0.9/22 10.0.0.1 10.0.0.2 10.0.0.3"
    told = arguments("preseed", "initrd", "debian", network=network)
    assert "netcfg" not in told

    words = shlex.split(arguments("preseed", "http", "debian", network=network))
    answers = preseed(wanted(InstallSpec(location=TREE, network=network), "web1", ""))
    asked = dict(re.findall(r"^d-i (netcfg/\S+) \S+ (.*)$", answers, re.MULTILINE))
    assert {f"{question}={value}" for question, value in asked.items() if value} - {*words} == {
        "netcfg/choose_interface=auto",  # which is what it does anyway
        "netcfg/get_hostname=web1",  # of which netcfg/hostname makes a question that is not asked
    }


def test_a_tree_of_this_machine_is_no_repository_of_the_guest() -> None:
    assert "inst.repo" not in arguments("kickstart", "initrd", "F40", location="/srv/tree")


def test_no_secret_is_among_them() -> None:
    passwords = {"password": "hunter2", "root_password": "hunter3"}
    told = arguments("kickstart", "initrd", "F40", user="ann", **passwords)
    assert "hunter" not in told


@pytest.mark.parametrize(
    ("family", "version", "release"),
    [
        ("Red Hat Enterprise Linux", "6.4", "RHEL6"),
        ("CentOS Stream", "10", "RHEL10"),
        ("AlmaLinux", "9.3", "RHEL9"),
        ("Fedora", "40", "F40"),
        ("Fedora", "Rawhide", ""),
        ("openSUSE Leap", "15.6", ""),
    ],
)
def test_releases_have_pykickstarts_names(family: str, version: str, release: str) -> None:
    assert kickstart_release(family, version) == release


def test_the_line_for_virt_install_has_the_tree_in_place_of_the_import() -> None:
    line = virt_install_line(
        "virt-install --name a --import --disk x", TREE, "inst.ks=file:/ks.cfg", ["ks.cfg"]
    )
    assert line == (
        f"virt-install --name a --disk x --location {TREE} --initrd-inject ks.cfg "
        "--extra-args inst.ks=file:/ks.cfg"
    )
