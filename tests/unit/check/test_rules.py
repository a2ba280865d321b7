"""Each rule's warnings and failures, on facts that differ from a ready host's in one thing."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest

import kvmkit as kk
from kvmkit.check import judge_facts
from kvmkit.check.facts import Device, Facts, OperatingSystem, Pool, Unit

OFF = Unit("inactive", "disabled")
RUNNING = Unit("active", "enabled")


def row(facts: Facts, name: str, **changes: Any) -> kk.Check:
    return next(check for check in judge_facts(replace(facts, **changes)) if check.check == name)


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


def test_virt_install_is_only_needed_where_the_runbooks_run(debian12: Facts) -> None:
    facts = replace(debian12, commands=debian12.commands - {"virt-install"})

    assert [c.status for c in judge_facts(facts, local=True) if c.check == "packages"] == ["FAIL"]
    assert [c.status for c in judge_facts(facts, local=False) if c.check == "packages"] == ["PASS"]


@pytest.mark.parametrize(
    "said",
    [
        "kvm: disabled by bios",
        "kvm: support for 'kvm_amd' disabled by bios",
        "kvm_amd: SVM disabled (by BIOS) in MSR_VM_CR on CPU 0",
        "kvm_intel: VMX not enabled (by BIOS) in MSR_IA32_FEAT_CTL on CPU 0",
        "x86/cpu: VMX (outside TXT) disabled by BIOS",
    ],
)
def test_firmware_that_refuses(debian12: Facts, said: str) -> None:
    check = row(debian12, "virtualization in the firmware", kernel_log=(said,), modules=("kvm",))

    assert (check.status, check.found) == ("FAIL", f"the kernel says: {said}")
    assert "SVM Mode" in check.fix
    assert "VT-x" in check.fix


def test_firmware_that_cannot_be_judged_is_not_passed(debian12: Facts) -> None:
    unread = row(debian12, "virtualization in the firmware", kernel_log=None, modules=("kvm",), user="pat")

    assert (unread.status, "pat may not read the kernel's log" in unread.found) == ("SKIP", True)
    silent = row(
        debian12, "virtualization in the firmware", kernel_log=(), cpu_flags=frozenset({"lm"}), modules=()
    )
    assert silent.status == "SKIP"
    built_in = row(debian12, "virtualization in the firmware", kernel_log=None, device=None)
    assert built_in.status == "SKIP"


def test_a_processor_without_virtualization(debian12: Facts) -> None:
    inside = row(debian12, "processor", cpu_flags=frozenset({"lm", "hypervisor"}))
    assert (inside.status, "nested" in inside.fix, "64-bit mode" in inside.found) == ("FAIL", True, True)

    bare_metal = row(debian12, "processor", cpu_flags=frozenset({"pae"}))
    assert (bare_metal.status, "data sheet" in bare_metal.fix, "no lm" in bare_metal.found) == (
        "FAIL",
        True,
        True,
    )


@pytest.mark.parametrize(("flag", "module"), [("vmx", "kvm_intel"), ("svm", "kvm_amd")])
def test_missing_modules_are_named_for_the_processor(debian12: Facts, flag: str, module: str) -> None:
    check = row(debian12, "kvm modules", cpu_flags=frozenset({flag}), modules=("kvm",), kernel_log=())

    assert (check.status, check.fix.split(";")[0]) == ("FAIL", f"modprobe {module}")


def test_modules_of_another_architecture(debian12: Facts) -> None:
    assert row(debian12, "kvm modules", machine="riscv64", modules=(), device=None).fix == "modprobe kvm"
    assert "built in" in row(debian12, "kvm modules", machine="aarch64", modules=(), device=None).fix
    assert row(debian12, "kvm modules", machine="aarch64", modules=()).status == "PASS"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_modules_without_a_device_are_not_to_be_loaded(debian12: Facts, machine: str) -> None:
    check = row(debian12, "/dev/kvm", machine=machine, device=None)

    assert (check.status, "--device /dev/kvm" in check.fix) == ("FAIL", True)


def test_the_user_of_qemu_is_let_in_by_a_group_and_never_by_roots(debian12: Facts) -> None:
    closed = row(debian12, "/dev/kvm", device=Device(0o640, "root", "kvm", "yes"))
    assert (closed.status, closed.fix) == ("FAIL", "usermod -aG kvm libvirt-qemu, and restart libvirt")

    roots = row(debian12, "/dev/kvm", device=Device(0o600, "root", "root", "yes"))
    assert 'KERNEL=="kvm", GROUP="kvm", MODE="0660"' in roots.fix
    assert "usermod -aG root" not in roots.fix


@pytest.mark.parametrize(
    ("opens", "modules", "found"),
    [
        ("No such device", ("kvm",), "opening /dev/kvm fails (No such device)"),
        ("Permission denied", ("kvm",), "neither kvm_intel nor kvm_amd is behind /dev/kvm"),
    ],
)
def test_a_device_that_was_made_before_the_module_could_be_loaded(
    debian12: Facts, opens: str, modules: tuple[str, ...], found: str
) -> None:
    check = row(debian12, "/dev/kvm", device=Device(0o660, "root", "kvm", opens), modules=modules)

    assert (check.status, check.found) == ("FAIL", f"{found}: VMs are emulated")
    assert check.fix == "load the kvm modules (their row says how)"


def test_memory_and_huge_pages(debian12: Facts) -> None:
    memory = {"MemTotal": 4194304, "MemAvailable": 1048575, "HugePages_Total": 3, "Hugepagesize": 1048576}

    assert row(debian12, "memory", memory_kib=memory).status == "WARN"
    assert row(debian12, "memory", memory_kib={**memory, "MemAvailable": 1048576}).status == "PASS"
    assert row(debian12, "memory", memory_kib={}).status == "SKIP"
    assert (
        row(debian12, "huge pages", memory_kib=memory).found == "3 of 1024 MiB reserved, transparent: always"
    )


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
    ("name", "conf", "found"),
    [
        ("vnc_listen", {"vnc_listen": "192.0.2.1"}, "vnc_listen = 192.0.2.1: other machines can connect"),
        ("vnc_listen", {"spice_listen": "::"}, "spice_listen = ::: other machines can connect"),
        ("user and group", {"user": "root"}, "user = root: QEMU has root's rights"),
        ("user and group", {"group": "+0"}, "group = +0: QEMU has root's rights"),
        ("dynamic_ownership", {"dynamic_ownership": "0"}, "0: a VM starts only if its images already belong"),
    ],
)
def test_settings_of_qemu_conf_that_cost_safety(
    debian12: Facts, name: str, conf: dict[str, str], found: str
) -> None:
    check = row(debian12, f"qemu.conf: {name}", qemu_conf=conf)

    assert check.status == "WARN"
    assert check.found.startswith(found)


@pytest.mark.parametrize(
    ("name", "conf", "found"),
    [
        ("vnc_listen", {"vnc_listen": "127.0.0.1"}, "127.0.0.1"),
        ("user and group", {"user": "vmuser", "group": "kvm"}, "user = vmuser, group = kvm: it must"),
        ("dynamic_ownership", {"dynamic_ownership": "1"}, "1"),
    ],
)
def test_settings_of_qemu_conf_that_are_fine(
    debian12: Facts, name: str, conf: dict[str, str], found: str
) -> None:
    check = row(debian12, f"qemu.conf: {name}", qemu_conf=conf)

    assert check.status == "PASS"
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
    assert check.mended_by == (("plan_defaults",) if status == "WARN" else ())
