"""Plans as a person sees them are written down in expected/; KVMKIT_REWRITE=1 writes them anew."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.check.facts import parse
from kvmkit.practice import recorded as kept
from kvmkit.prepare import packages, qemu_conf, repository, selinux, service
from kvmkit.prepare.apt import apt_change
from kvmkit.prepare.rpm import dnf_change, zypper_change
from kvmkit.prepare.selinux_steps import Folder, State

TESTS = Path(__file__).parent
EXPECTED = TESTS / "expected"
ARTICLE = kk.RepositorySpec(
    name="yum", baseurl="ftp://192.168.0.200/rhel6.4", gpgcheck=False, keep_others=False, suite="./"
)
EVERYBODY = "0.0.0.0"  # noqa: S104 - what the article has, and nothing here listens
SELINUX = b"SELINUX=enforcing\nSELINUXTYPE=targeted\n"


def recorded(name: str) -> str:
    return (TESTS / "recorded" / name).read_text()


def repository_of(manager: str, other: str) -> kk.Plan:
    path, text = repository.described(ARTICLE, manager)
    return repository._plan("kvm1", ARTICLE, path, text, {other: b"[base]\n"})


def qemu_conf_of(capture: str) -> kk.Plan:
    facts = parse((TESTS.parents[1] / "captures" / f"{capture}.txt").read_text())
    spec = kk.QemuConfSpec(vnc_listen=EVERYBODY, user="root", group="root", dynamic_ownership="0")
    return qemu_conf._plan("kvm1", spec, facts, kept("practice-qemu.conf").encode())


def service_of(capture: str) -> kk.Plan:
    units = parse((TESTS.parents[1] / "captures" / f"{capture}.txt").read_text()).units
    return service._plan("kvm1", units or {})


def selinux_of(mode: str) -> kk.Plan:
    folder = Folder("/srv/vms", "xfs", "var_t", {"var_t"}, {"/srv/vms": "system_u:object_r:var_t:s0"})
    return selinux._plan(
        "kvm1", kk.SELinuxSpec.model_validate({"mode": mode}), State("Enforcing", [folder], {}, SELINUX)
    )


PLANS: dict[str, Callable[[], kk.Plan]] = {
    "repository-apt": lambda: repository_of("apt-get", "/etc/apt/sources.list"),
    "repository-dnf": lambda: repository_of("dnf", "/etc/yum.repos.d/base.repo"),
    "packages-apt": lambda: packages._plan(
        "kvm1", "apt-get", ["dnsmasq-base", "qemu-utils"], apt_change(recorded("apt-install.txt"))
    ),
    "packages-dnf": lambda: packages._plan("kvm1", "dnf", ["alpha"], dnf_change(recorded("dnf-install.txt"))),
    "packages-zypper": lambda: packages._plan(
        "kvm1", "zypper", ["alpha"], zypper_change(recorded("zypper-install.xml"))
    ),
    "service-ubuntu2404": lambda: service_of("ubuntu2404"),
    "qemu-conf-debian12": lambda: qemu_conf_of("debian12"),
    "qemu-conf-rhel9": lambda: qemu_conf_of("rhel9"),
    "selinux-enforcing": lambda: selinux_of("enforcing"),
    "selinux-disabled": lambda: selinux_of("disabled"),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_shown_as_expected(name: str) -> None:
    plan = PLANS[name]()
    shown = "".join(f"\n== {title}\n{text.rstrip()}\n" for title, text in plan.shown.items())
    expected = EXPECTED / f"{name}.txt"
    if os.environ.get("KVMKIT_REWRITE"):
        expected.write_text(f"{plan}\n{shown}")

    assert f"{plan}\n{shown}" == expected.read_text()


def test_there_is_no_expectation_without_a_plan() -> None:
    assert {path.stem for path in EXPECTED.iterdir()} == set(PLANS)
