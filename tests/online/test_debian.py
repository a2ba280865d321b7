"""Debian's own installer goes to its end, in a VM of a virtual KVM host that reaches the mirror."""

from pathlib import Path

import kvmkit as kk
from tests.lab.ssh import make_key
from tests.vhost.host import VirtualHost

IMAGES = "dists/bookworm/main/installer-amd64/current/images/"


def test_debian_is_installed_and_logged_in_to(mirror: str, ready: VirtualHost, tmp_path: Path) -> None:
    host = kk.connect(ready.uri)
    key = make_key(tmp_path / "key").strip()
    vm = kk.VMSpec(name="deb1", memory_mib=1024, disk_gib=6)
    system = kk.InstallSpec(location=f"{mirror}/{IMAGES}", user="ada", ssh_keys=key, timeout=6 * 3600)
    report = kk.apply(kk.plan_vm(host, vm, system))
    assert report.ok

    address = kk.wait_for(host, "deb1", "ssh", 3600).address
    # The virtual host is the way to its network: it gets the key for this one login.
    host.run(["install", "-m", "600", "/dev/stdin", "/root/key"], stdin=(tmp_path / "key").read_text())
    options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new", "-i", "/root/key"]
    said = host.run(["ssh", *options, f"ada@{address}", "hostname; cat /etc/debian_version"], timeout=600)
    assert said.stdout.splitlines()[0] == "deb1"
    assert said.stdout.splitlines()[1].startswith("12.")
