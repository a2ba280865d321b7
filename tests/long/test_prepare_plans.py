"""Each plan that prepares a host, applied to a real machine with systemd, and taken back."""

import subprocess

import pytest

import kvmkit as kk
from tests.acceptance.guest import spec, wait_for_guest
from tests.lab.packages import REPOSITORY, Package, serve, write
from tests.vhost.host import NAME, VirtualHost

QEMU_CONF = "/etc/libvirt/qemu.conf"
SOCKETS = ("libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket")


def units(vhost: VirtualHost) -> dict[str, tuple[str, ...]]:
    """Tell of libvirt's services and sockets whether they run and whether they are enabled."""
    properties = ["-p", "Id", "-p", "ActiveState", "-p", "UnitFileState"]
    shown = vhost.run(["systemctl", "show", *properties, "libvirtd.service", *SOCKETS]).stdout
    found = (dict(line.split("=", 1) for line in unit.splitlines()) for unit in shown.strip().split("\n\n"))
    return {unit["Id"]: (unit["ActiveState"], unit["UnitFileState"]) for unit in found}


def files(vhost: VirtualHost, folder: str) -> str:
    """Tell everything of the files in a folder: names, modes, owners, times, contents."""
    script = """
        find "$1" -type f -printf '%p %M %U:%G %T@ %l\\n' | sort
        find "$1" -type f -exec sha256sum {} + | sort -k 2
    """
    return vhost.run(["sh", "-c", script, "sh", folder]).stdout


def test_libvirt_is_started_now_and_at_boot(ready: VirtualHost) -> None:
    host = kk.connect(ready.uri)
    ready.run(["systemctl", "disable", "--now", *SOCKETS, "libvirtd.service"])
    before = units(ready)
    assert before["libvirtd.service"] == ("inactive", "disabled")
    assert not kk.check_host(host).ok

    report = kk.apply(kk.plan_service(host))
    assert report.ok
    assert kk.plan_service(host).empty
    assert kk.check_host(host).ok
    ready.reboot()
    assert kk.check_host(host).ok

    assert kk.undo(report).ok
    assert units(ready) == before
    with pytest.raises(kk.HostUnavailable):
        kk.vms(host)


def test_settings_of_qemu_are_changed_under_a_running_vm(ready: VirtualHost) -> None:
    host = kk.connect(ready.uri)
    assert kk.apply(kk.plan_vm(host, spec(ready))).ok
    wait_for_guest(host)
    process = ready.run(["pgrep", "-f", "guest=web1"]).stdout
    before = files(ready, QEMU_CONF)

    report = kk.apply(
        kk.plan_qemu_conf(host, kk.QemuConfSpec(vnc_listen="127.0.0.2", other="max_queued = 7"))
    )
    assert report.ok
    settings = ready.run(["grep", "-E", "^[a-z]", QEMU_CONF]).stdout.splitlines()
    assert settings == ['vnc_listen = "127.0.0.2"', "max_queued = 7"]
    assert kk.vms(host).loc["web1", "state"] == "running"

    # libvirtd reads it and gives up: its last words are told, and the file is as it was a moment ago.
    between = files(ready, QEMU_CONF)
    with pytest.raises(kk.ApplyFailed, match=r"does not come up.*max_files") as failed:
        kk.apply(kk.plan_qemu_conf(host, kk.QemuConfSpec(other='max_files = "many"')))
    assert "the host is as before" in str(failed.value)
    assert files(ready, QEMU_CONF) == between
    assert kk.pending(host) == []

    assert kk.undo(report).ok
    assert files(ready, QEMU_CONF) == before
    assert kk.vms(host).loc["web1", "state"] == "running"
    assert ready.run(["pgrep", "-f", "guest=web1"]).stdout == process


def test_a_repository_takes_the_place_of_all_others(ready: VirtualHost) -> None:
    host = kk.connect(ready.uri)
    serve(host, [Package("kvmkit-base"), Package("kvmkit-tool", depends="kvmkit-base")])
    write(
        host,
        "/etc/apt/sources.list.d/other.list",
        "# somebody's: \u00e4\ndeb [trusted=yes] file:/srv ./ \n\n",
    )
    ready.run(["chmod", "640", "/etc/apt/sources.list.d/other.list"])
    before = files(ready, "/etc/apt")
    wanted = kk.RepositorySpec(
        name="local",
        baseurl=f"file://{REPOSITORY}",
        suite="./",
        components="",
        gpgcheck=False,
        keep_others=False,
    )

    repository = kk.apply(kk.plan_repository(host, wanted))
    assert repository.ok
    present = ready.run(
        ["find", "/etc/apt/sources.list", "/etc/apt/sources.list.d", "-type", "f"], check=False
    )
    assert present.stdout.split() == ["/etc/apt/sources.list.d/local.sources"]
    packages = kk.apply(kk.plan_packages(host, ["kvmkit-tool"]))
    assert packages.ok
    assert ready.run(["dpkg-query", "-W", "kvmkit-base", "kvmkit-tool"]).stdout.count("1.0") == 2

    assert kk.undo(packages).ok
    assert kk.undo(repository).ok
    assert files(ready, "/etc/apt") == before
    assert ready.run(["dpkg-query", "-W", "kvmkit-base", "kvmkit-tool"], check=False).stdout == ""


def test_a_member_of_the_group_uses_libvirt(ready: VirtualHost) -> None:
    host = kk.connect(ready.uri)
    ready.run(["useradd", "--create-home", "visitor"])
    ready.run(["cp", "-r", "/root/.ssh", "/home/visitor"])
    ready.run(["chown", "-R", "visitor:", "/home/visitor"])
    before = ready.run(["id", "visitor"]).stdout
    assert as_visitor(ready).returncode != 0

    report = kk.apply(kk.plan_libvirt_group(host, "visitor"))
    assert report.ok
    assert kk.plan_libvirt_group(host, "visitor").empty
    assert as_visitor(ready).stdout.strip() == "default"

    assert kk.undo(report).ok
    assert ready.run(["id", "visitor"]).stdout == before
    assert as_visitor(ready).returncode != 0


def as_visitor(vhost: VirtualHost) -> subprocess.CompletedProcess[str]:
    """Ask libvirt for its pools from a login of its own, as group membership counts from then on."""
    command = [vhost.ssh_command, "-o", "ControlPath=none", f"visitor@{NAME}"]
    ask = "virsh --connect qemu:///system pool-list --name"
    return subprocess.run([*command, ask], capture_output=True, text=True, timeout=300, check=False)
