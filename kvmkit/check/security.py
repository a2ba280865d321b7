"""What confines VMs, and the settings of qemu.conf that matter to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from kvmkit.check.facts import Facts
from kvmkit.check.system import RED_HAT, mended
from kvmkit.report import Check, Status

__all__ = ["judge_security"]

LOOPBACK = {"", "127.0.0.1", "::1", "localhost"}


def judge_security(facts: Facts) -> list[Check]:
    """Judge SELinux or AppArmor, and qemu.conf."""
    return [_confinement(facts), *_settings(facts)]


def _confinement(facts: Facts) -> Check:
    row = partial(
        Check,
        "SELinux or AppArmor",
        expected="SELinux enforcing, or AppArmor with libvirt's profiles",
        why="a guest that breaks out of QEMU still meets it; with right labels nothing needs it turned off",
    )
    if "none" in (facts.qemu_conf or {}).get("security_driver", ""):
        fix = "take security_driver out of /etc/libvirt/qemu.conf and restart libvirt"
        plan = mended(facts, "plan_qemu_conf", "security_driver")
        return row(
            Status.WARN, "qemu.conf says security_driver = none: VMs are not confined", fix=fix, **plan
        )
    if facts.values.get("selinux") == "1":
        return row(Status.PASS, "SELinux enforcing")
    if facts.values.get("selinux") == "0":
        fix = "restorecon -R the images' folders, setenforce 1, and SELINUX=enforcing in /etc/selinux/config"
        plan = mended(facts, "plan_selinux")
        return row(Status.WARN, "SELinux permissive: what it would forbid is only logged", fix=fix, **plan)
    if facts.values.get("apparmor") == "Y":
        return _apparmor(facts, row)
    if facts.selinux_config or RED_HAT & {facts.os.id, *facts.os.like}:
        said = f" (SELINUX={facts.selinux_config} in its file)" if facts.selinux_config else ""
        fix = "SELINUX=permissive in /etc/selinux/config, reboot (files get labels), then SELINUX=enforcing"
        # Without its file there is no policy to turn on.
        plan = mended(facts, "plan_selinux") if facts.selinux_config else {}
        return row(Status.WARN, f"SELinux disabled{said}", fix=fix, **plan)
    return row(Status.WARN, "neither: only QEMU's user confines VMs", fix="install apparmor, and reboot")


def _apparmor(facts: Facts, row: partial[Check]) -> Check:
    if facts.apparmor_profiles is None:
        return row(Status.PASS, f"AppArmor is on; {facts.user} may not list its profiles")
    daemons = [line for line in facts.apparmor_profiles if not line.startswith("virt-aa-helper")]
    if any("(enforce)" in line for line in daemons):
        return row(Status.PASS, "AppArmor is on, with libvirt's profiles")
    if not facts.libvirt:
        return row(Status.PASS, "AppArmor is on; libvirt, which brings its profiles, is not installed")
    fix = "aa-enforce /etc/apparmor.d/usr.sbin.libvirtd (or usr.sbin.virtqemud), and restart libvirt"
    return row(Status.WARN, "AppArmor is on, and libvirt's profiles are not enforced", fix=fix)


def _settings(facts: Facts) -> Iterator[Check]:
    """Judge each setting of qemu.conf, or say why the file cannot be judged."""
    unread = ""
    if facts.session:
        unread = "qemu:///session does not use /etc/libvirt/qemu.conf"
    elif facts.qemu_conf is None:
        unread = f"{facts.user} may not read /etc/libvirt/qemu.conf"
    for name, (judge, expected, why) in SETTINGS.items():
        row = partial(Check, f"qemu.conf: {name}", expected=expected, why=why)
        yield row(Status.SKIP, unread) if unread else judge(facts, facts.qemu_conf or {}, row)


def _vnc_listen(facts: Facts, conf: Mapping[str, str], row: partial[Check]) -> Check:
    names = [name for name in ("vnc_listen", "spice_listen") if conf.get(name, "") not in LOOPBACK]
    if not names:
        return row(Status.PASS, conf.get("vnc_listen") or "not set: 127.0.0.1")
    found = ", ".join(f"{name} = {conf[name]}" for name in names) + ": other machines can connect"
    fix = "take it out, restart libvirt, and look through a tunnel: ssh -L 5900:127.0.0.1:5900 HOST"
    return row(Status.WARN, found, fix=fix, **mended(facts, "plan_qemu_conf", *names))


def _user(facts: Facts, conf: Mapping[str, str], row: partial[Check]) -> Check:
    names = [name for name in ("user", "group") if conf.get(name)]
    found = ", ".join(f"{name} = {conf[name]}" for name in names)
    if not found:
        return row(Status.PASS, "not set: the distribution's own")
    if {conf.get("user"), conf.get("group")} & {"root", "0", "+0"}:
        fix = "take user and group out, and restart libvirt, which gives QEMU's user the images of its VMs"
        plan = mended(facts, "plan_qemu_conf", *names)
        return row(Status.WARN, f"{found}: QEMU has root's rights", fix=fix, **plan)
    return row(Status.PASS, f"{found}: it must be able to open /dev/kvm")


def _ownership(facts: Facts, conf: Mapping[str, str], row: partial[Check]) -> Check:
    value = conf.get("dynamic_ownership", "")
    if value != "0":
        return row(Status.PASS, value or "not set: 1")
    found = "0: a VM starts only if its images already belong to QEMU's user"
    plan = mended(facts, "plan_qemu_conf", "dynamic_ownership")
    return row(Status.WARN, found, fix="take it out, and restart libvirt", **plan)


# Each setting: who judges it, what is expected, and why.
SETTINGS = {
    "vnc_listen": (
        _vnc_listen,
        "127.0.0.1, the default",
        "a VM's screen, unencrypted and without a password, is for whoever reaches its port",
    ),
    "user and group": (
        _user,
        "not set: libvirt-qemu on Debian and Ubuntu, qemu elsewhere",
        "QEMU as root gives a guest that breaks out the whole host",
    ),
    "dynamic_ownership": (
        _ownership,
        "1, the default",
        "libvirt gives a disk image to QEMU's user while the VM runs",
    ),
}
