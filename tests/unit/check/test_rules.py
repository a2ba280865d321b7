"""Warnings and failures about what is installed, on facts that differ in one thing from a ready host's."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest

from kvmkit.check import judge_facts
from kvmkit.check.facts import Facts, OperatingSystem, Pool, Unit
from tests.unit.check.rows import row

OFF = Unit("inactive", "disabled")
RUNNING = Unit("active", "enabled")


def values(facts: Facts, **changes: str) -> dict[str, str]:
    return {**facts.values, **{name.replace("_", "-"): value for name, value in changes.items()}}


@pytest.mark.parametrize(
    ("os", "status", "found"),
    [
        (OperatingSystem("rhel", ("fedora",), "7.9", "RHEL 7.9"), "FAIL", "two ifcfg files"),
        (OperatingSystem("centos", ("rhel", "fedora"), "7", "CentOS 7"), "FAIL", "its ip has no -json"),
        (OperatingSystem("", (), "", "CentOS release 6.10 (Final)"), "FAIL", "two ifcfg files"),
        (OperatingSystem("debian", (), "9", "Debian 9"), "FAIL", "not supported"),
        (OperatingSystem("ubuntu", ("debian",), "18.04", "Ubuntu 18.04"), "FAIL", "not supported"),
        (OperatingSystem("opensuse-leap", ("suse",), "15.2", "Leap 15.2"), "FAIL", "not supported"),
        (OperatingSystem("opensuse-leap", ("suse",), "15.3", "Leap 15.3"), "PASS", "Leap 15.3"),
        (OperatingSystem("opensuse-tumbleweed", ("suse",), "20260101", "Tumbleweed"), "PASS", "Tumbleweed"),
        (OperatingSystem("rocky", ("rhel", "centos", "fedora"), "9.5", "Rocky 9.5"), "PASS", "Rocky 9.5"),
        (OperatingSystem("debian", (), "", "Debian trixie/sid"), "PASS", "sid"),
        (OperatingSystem("mint", ("ubuntu", "debian"), "22", "Mint 22"), "WARN", "not tried"),
        (OperatingSystem("nixos", (), "24.05", "NixOS"), "WARN", "not tried"),
    ],
)
def test_operating_system(debian12: Facts, os: OperatingSystem, status: str, found: str) -> None:
    check = row(debian12, "operating system", os=os)

    assert check.status == status
    assert found in check.found
    assert ("ifcfg" in check.found) == (check.status == "FAIL" and ("RHEL" in os.name or "CentOS" in os.name))


@pytest.mark.parametrize(
    ("managers", "fix", "plan"),
    [
        ({"apt-get"}, "apt-get install qemu-system-x86 libvirt-daemon-system", ("plan_packages",)),
        ({"dnf", "yum"}, "dnf install qemu-kvm libvirt-daemon-kvm", ("plan_packages",)),
        ({"yum"}, "yum install qemu-kvm libvirt-daemon-kvm", ()),
        ({"zypper"}, "zypper install qemu-x86 libvirt-daemon-qemu", ("plan_packages",)),
        (set(), "install qemu-kvm libvirt-daemon-kvm, however it is called here", ()),
    ],
)
def test_missing_packages_are_named_as_the_distribution_does(
    debian12: Facts, managers: set[str], fix: str, plan: tuple[str, ...]
) -> None:
    commands = debian12.commands - {"apt-get", "qemu-system-x86_64", "libvirtd"} | managers
    check = row(debian12, "packages", commands=commands)

    assert (check.status, check.fix, check.mended_by) == ("FAIL", fix, plan)
    assert check.found == "missing: qemu-system-x86_64, libvirtd"


@pytest.mark.parametrize(
    ("machine", "apt", "zypper"),
    [
        ("ppc64", "qemu-system-ppc", "qemu-ppc"),
        ("ppc64le", "qemu-system-ppc", "qemu-ppc"),
        ("armv7l", "qemu-system-arm", "qemu-arm"),
        ("i386", "qemu-system-x86", "qemu-x86"),
        ("s390x", "qemu-system-misc", "qemu-s390x"),
        ("mips64", "qemu-system-mips", "qemu-mips"),
        ("alpha", "qemu-system", "qemu"),
        ("", "qemu-system", "qemu"),
    ],
)
def test_the_emulator_is_that_of_the_machine(debian12: Facts, machine: str, apt: str, zypper: str) -> None:
    for manager, package in (("apt-get", apt), ("zypper", zypper), ("dnf", "qemu-kvm")):
        commands = debian12.commands - {"apt-get", "qemu-system-x86_64"} | {manager}
        fix = row(debian12, "packages", commands=commands, machine=machine).fix
        assert fix == f"{manager} install {package}"


def test_a_32_bit_host_has_the_emulator_of_its_package(debian12: Facts) -> None:
    assert row(debian12, "packages", machine="i686").status == "PASS"


def test_virt_install_is_only_needed_where_the_runbooks_run(debian12: Facts) -> None:
    facts = replace(debian12, commands=debian12.commands - {"virt-install"})

    assert [c.status for c in judge_facts(facts, local=True) if c.check == "packages"] == ["FAIL"]
    assert [c.status for c in judge_facts(facts, local=False) if c.check == "packages"] == ["PASS"]


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"libvirtd.service": RUNNING}, "PASS", "libvirtd is enabled"),
        (
            {"libvirtd.service": OFF, "libvirtd.socket": OFF},
            "FAIL",
            "systemctl enable --now libvirtd.service",
        ),
        ({"libvirtd.service": OFF, "libvirtd.socket": RUNNING}, "WARN", "systemctl enable libvirtd.service"),
    ],
)
def test_one_daemon_at_boot(debian12: Facts, changes: dict[str, Unit], status: str, text: str) -> None:
    check = row(debian12, "libvirt at boot", units={**(debian12.units or {}), **changes})

    assert check.status == status
    assert text in check.found + check.fix


@pytest.mark.parametrize(
    ("off", "status", "text"),
    [
        ([], "PASS", "virtqemud is enabled"),
        (["virtqemud.service"], "WARN", "systemctl enable virtqemud.service"),
        (["virtnetworkd.service"], "PASS", "virtqemud is enabled"),
        (
            ["virtnetworkd.service", "virtnetworkd.socket"],
            "WARN",
            "systemctl enable --now virtnetworkd.socket",
        ),
        (
            ["virtqemud.service", "virtqemud.socket"],
            "FAIL",
            "virtqemud.service virtnetworkd.service virtstoraged",
        ),
    ],
)
def test_modular_daemons_at_boot(rhel9: Facts, off: list[str], status: str, text: str) -> None:
    check = row(rhel9, "libvirt at boot", units={**(rhel9.units or {}), **dict.fromkeys(off, OFF)})

    assert check.status == status
    assert text in check.found + check.fix


def test_the_daemon_that_runs_is_enabled_and_not_its_rival(rhel9: Facts) -> None:
    units = dict.fromkeys(rhel9.units or {}, OFF) | {"libvirtd.service": Unit("active", "disabled")}
    check = row(rhel9, "libvirt at boot", units=units)

    assert (check.status, check.fix) == ("FAIL", "systemctl enable --now libvirtd.service")


def test_boot_is_not_judged_without_systemd_nor_in_a_session(debian12: Facts) -> None:
    assert row(debian12, "libvirt at boot", units=None).status == "SKIP"
    assert row(debian12, "libvirt at boot", session=True).status == "SKIP"


@pytest.mark.parametrize(("synchronised", "status"), [(True, "PASS"), (False, "WARN"), (None, "SKIP")])
def test_clock(debian12: Facts, synchronised: bool | None, status: str) -> None:
    assert row(debian12, "clock", clock_synchronised=synchronised).status == status


def test_selinux(rhel9: Facts) -> None:
    name = "SELinux or AppArmor"
    disabled = {key: value for key, value in rhel9.values.items() if key != "selinux"}

    assert row(rhel9, name).found == "SELinux enforcing"
    assert row(rhel9, name, values=values(rhel9, selinux="0")).status == "WARN"
    off = row(rhel9, name, values=disabled, selinux_config="disabled")
    assert (off.status, off.found) == ("WARN", "SELinux disabled (SELINUX=disabled in its file)")
    unconfined = row(rhel9, name, qemu_conf={"security_driver": "none"})
    assert (unconfined.status, "not confined" in unconfined.found) == ("WARN", True)
    listed = row(rhel9, name, qemu_conf={"security_driver": '[ "selinux", "apparmor" ]'})
    assert listed.status == "PASS"


def test_apparmor(debian12: Facts) -> None:
    name = "SELinux or AppArmor"

    complaining = row(debian12, name, apparmor_profiles=("libvirtd (complain)", "virt-aa-helper (enforce)"))
    assert (complaining.status, "aa-enforce" in complaining.fix) == ("WARN", True)
    assert row(debian12, name, apparmor_profiles=()).status == "WARN"
    assert row(debian12, name, values=values(debian12, apparmor="N")).fix == "install apparmor, and reboot"


@pytest.mark.parametrize(
    ("name", "conf", "status", "found"),
    [
        ("vnc_listen", {"vnc_listen": "192.0.2.1"}, "WARN", "vnc_listen = 192.0.2.1: other machines can"),
        ("vnc_listen", {"spice_listen": "::"}, "WARN", "spice_listen = ::: other machines can connect"),
        ("vnc_listen", {"vnc_listen": "127.0.0.1"}, "PASS", "127.0.0.1"),
        ("user and group", {"user": "root"}, "WARN", "user = root: QEMU has root's rights"),
        ("user and group", {"group": "+0"}, "WARN", "group = +0: QEMU has root's rights"),
        ("user and group", {"user": "vmuser", "group": "kvm"}, "PASS", "user = vmuser, group = kvm: it must"),
        (
            "dynamic_ownership",
            {"dynamic_ownership": "0"},
            "WARN",
            "0: a VM starts only if its images already",
        ),
        ("dynamic_ownership", {"dynamic_ownership": "1"}, "PASS", "1"),
    ],
)
def test_settings_of_qemu_conf(
    debian12: Facts, name: str, conf: dict[str, str], status: str, found: str
) -> None:
    check = row(debian12, f"qemu.conf: {name}", qemu_conf=conf)

    assert check.status == status
    assert check.found.startswith(found)


@pytest.mark.parametrize(
    ("policies", "nf", "status", "found"),
    [
        (("ip filter: accept",), "1", "PASS", "ip filter: accept"),
        ((), "0", "PASS", "no rules"),
        (("ip filter: drop",), "1", "WARN", "VMs on a bridge are cut off"),
        (("ip filter: drop",), "0", "WARN", "VMs on libvirt's networks may be cut off"),
        (None, "1", "SKIP", "may not read the firewall's rules"),
    ],
)
def test_forwarding(
    debian12: Facts, policies: tuple[str, ...] | None, nf: str, status: str, found: str
) -> None:
    check = row(debian12, "forwarding", forward_policies=policies, values=values(debian12, call_iptables=nf))

    assert check.status == status
    assert found in check.found


def test_bridges_of_libvirt_and_docker_reach_no_network(debian12: Facts) -> None:
    private = row(debian12, "bridges", bridges={"virbr0": (), "docker0": (), "br-0a1b2c": ("veth1",)})
    assert private.found == "none but virbr0, docker0, br-0a1b2c, of networks inside the host"
    assert row(debian12, "bridges", bridges={"br0": ("eth0",), "virbr0": ()}).found == "br0 (eth0)"


def test_firewalls_and_network_manager(debian12: Facts) -> None:
    units = {**(debian12.units or {}), "docker.service": RUNNING, "firewalld.service": OFF}

    assert row(debian12, "firewalls", units=units, ufw=True).found == "docker, ufw"
    assert row(debian12, "firewalls", units=None).status == "SKIP"
    assert row(debian12, "NetworkManager", units={"NetworkManager.service": RUNNING}).found == "running"


def test_space_counts_in_every_pool(debian12: Facts) -> None:
    full = Pool(PurePosixPath("/srv/vms"), 100 * 1024**2, 10 * 1024**2 - 1)
    check = row(debian12, "space for disk images", pools=(*debian12.pools, full))

    assert (check.status, "/srv/vms: 10 of 100 GiB free" in check.found) == ("WARN", True)


ALL = frozenset({"defined", "active", "autostart"})


@pytest.mark.parametrize(
    ("changes", "status", "found", "fix"),
    [
        ({}, "PASS", "pool active, started with the host; network active, started with the host", ""),
        (
            {"defaults": {"pool": frozenset(), "network": ALL - {"active"}}},
            "WARN",
            "pool not there; network not active, started with the host",
            (
                "virsh pool-define-as default dir --target /var/lib/libvirt/images; "
                "virsh pool-start default; virsh pool-autostart default; virsh net-start default"
            ),
        ),
        (
            {"defaults": {"pool": ALL, "network": ALL - {"autostart"}}},
            "WARN",
            "pool active, started with the host; network active, not started with the host",
            "virsh net-autostart default",
        ),
        (
            {"defaults": {"pool": frozenset({"taken"}), "network": ALL}},
            "WARN",
            "pool not there, as another pool has /var/lib/libvirt/images; network active",
            "give the name of that pool wherever one is asked for, such as VMSpec(pool=...)",
        ),
        ({"defaults": None}, "SKIP", "cannot be told: root may not look into libvirt's folders", ""),
        ({"session": True}, "SKIP", "qemu:///session makes its pools itself", ""),
        ({"commands": frozenset()}, "SKIP", "libvirt, which has them, is not installed", ""),
    ],
)
def test_the_default_pool_and_network(
    debian12: Facts, changes: dict[str, Any], status: str, found: str, fix: str
) -> None:
    both = {"defaults": {"pool": ALL, "network": ALL}}
    check = row(debian12, "default pool and network", **(both | changes))

    assert (check.status, check.fix) == (status, fix)
    assert check.found.startswith(found)
    assert check.mended_by == (("plan_defaults",) if "virsh" in fix else ())
