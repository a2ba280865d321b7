"""From a bare server to a KVM host, over a reboot, with a VM under KVM; and all the way back."""

import re
import subprocess
from pathlib import Path

import kvmkit as kk
from tests.acceptance.runbook import Stopped, create_vm, run
from tests.lab import root
from tests.vhost.host import NAME, VirtualHost

ACCOUNTS = {f"/etc/{name}{copy}" for name in ("passwd", "shadow", "group", "gshadow") for copy in ("", "-")}
"""They name the accounts; some packages leave theirs, so that nobody else gets their numbers:"""
USERS = {"dnsmasq", "polkitd"}
GROUPS = {"polkitd", "rdma"}
PROFILE = "/etc/apparmor.d/libvirt/libvirt-"
"""With a VM's UUID: its AppArmor profile, which libvirt never removes."""
LEFT = {
    # libvirt-daemon-system makes them, empty, for rules of the administrator's own; its purge forgets them.
    "/etc/apparmor.d/local/abstractions/libvirt-lxc",
    "/etc/apparmor.d/local/abstractions/libvirt-qemu",
}


def packages(vhost: VirtualHost) -> str:
    """List all packages and their states."""
    return vhost.run(["dpkg", "-l"]).stdout


def etc(vhost: VirtualHost) -> dict[str, str]:
    """Map each file below /etc to its mode, owner and digest, and each link to where it leads."""
    script = """
        find /etc -type l -printf '%l %p\\n'
        find /etc -type f -printf '%M %U:%G %p\\n'
        find /etc -type f -exec sha256sum {} +
    """
    found: dict[str, str] = {}
    for line in vhost.run(["sh", "-c", script], timeout=600).stdout.splitlines():
        about, path = line.rsplit(maxsplit=1)
        found[path] = found.get(path, "") + about
    return found


def names(vhost: VirtualHost, table: str) -> set[str]:
    """Name the entries of passwd or group."""
    return {line.split(":")[0] for line in vhost.run(["cat", f"/etc/{table}"]).stdout.splitlines()}


def prepare(vhost: VirtualHost, into: Path) -> str:
    """Run the runbook without a person: again for each plan that it names, until it comes to its end."""
    confirmed: list[str] = []
    while True:
        try:
            return run("20-prepare-host", into, uri=vhost.uri, confirm=confirmed)
        except Stopped as stopped:
            wanted = re.findall(r"NotApplied: plan (p\w{9}) ", str(stopped))
            if not set(wanted) - set(confirmed):
                raise
            confirmed += wanted


def bring_guest(vhost: VirtualHost) -> None:
    """Copy a guest's kernel and initrd onto the host."""
    for path in (vhost.kernel, vhost.initrd):
        with (root.build() / path.removeprefix("/")).open("rb") as file:
            command = [vhost.ssh_command, NAME, f"install -D -m 644 /dev/stdin {path}"]
            subprocess.run(command, stdin=file, check=True, timeout=600)


def test_a_bare_server_becomes_a_kvm_host_and_bare_again(bare: VirtualHost, tmp_path: Path) -> None:
    host = kk.connect(bare.uri)
    packages_before, etc_before = packages(bare), etc(bare)
    users, groups = names(bare, "passwd"), names(bare, "group")
    assert f"{bare.uri} is not ready" in run("10-check-host", tmp_path, uri=bare.uri)

    assert f"{bare.uri} is ready" in prepare(bare, tmp_path)
    bare.reboot()
    assert f"{bare.uri} is ready" in run("10-check-host", tmp_path, uri=bare.uri)
    assert kk.pools(host).loc["default", "active"]
    assert kk.networks(host).loc["default", "active"]
    bring_guest(bare)
    create_vm(bare, tmp_path)

    done = kk.history(host).set_index("plan")["state"]
    assert set(done) == {"done"}
    for plan_id in reversed(done.index):
        assert kk.undo(host, plan_id).ok
    assert packages(bare) == packages_before
    etc_after = etc(bare)
    changed = {path for path, _ in etc_before.items() ^ etc_after.items()}
    profiles = {path for path in changed if path.startswith(PROFILE)}
    assert len(profiles) == 1
    assert changed - ACCOUNTS - profiles == LEFT
    assert names(bare, "passwd") - users == USERS
    assert names(bare, "group") - groups == GROUPS
