"""cloud-init itself looks at what is made for it, in a root folder of its own: elsewhere it is a service."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from plumbum import local

import kvmkit as kk
from kvmkit.commands import Local
from kvmkit.install.answers import render
from kvmkit.install.spec import InstallSpec
from tests.lab import cloud_init
from tests.lab.machine import unavailable

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJrk1f0 it's $(x) # 名"
MAC = "52:54:00:00:00:01"
# In mounts of its own, which end with it.
ENTER = """#!/bin/sh
exec unshare --mount sh -c 'mount --bind /dev "$0/dev" && mount -t proc proc "$0/proc" &&
    mount -t tmpfs tmpfs "$0/tmp" && exec chroot "$0" "$@"' {root} {command} "$@"
"""
# What it writes for a system that has its network from such files.
CONVERT = """cloud-init devel net-convert -p /dev/stdin -k yaml -d /tmp/out -D "$1" -O "$2" -m "eth0,$3" >&2
cat /tmp/out/$4"""


@pytest.fixture(scope="module", autouse=True)
def entered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have the commands cloud-init and in-root, which are those of the root folder."""
    if reason := unavailable(cloud_init.path()):
        pytest.skip(f"no cloud-init: {reason}")
    root, folder = cloud_init.build(), tmp_path_factory.mktemp("bin")
    for name, command in (("cloud-init", "cloud-init"), ("in-root", "")):
        (folder / name).write_text(ENTER.format(root=root, command=command))
        (folder / name).chmod(0o755)
    with local.env(PATH=f"{folder}{os.pathsep}{local.env['PATH']}"):
        yield


@pytest.mark.parametrize("user", ["", "ann"])
@pytest.mark.parametrize("keys", ["", KEY])
@pytest.mark.parametrize("password", ["", "it's"])
def test_every_cloud_config_passes_its_schema(user: str, keys: str, password: str) -> None:
    spec = InstallSpec(
        user=user,
        ssh_keys=keys,
        password=password if user else "",
        root_password=password,
        hostname="web1.example.org" if user else "",
        packages="vim" if keys else "",
        post="echo 'hi'\n\texit 0\n" if password else "",
    )
    # No note: it was looked at.
    assert render("cloud-init", spec, "web1").notes == ()


WRONG = [
    ("hostname: [hunter2]\n", r"line 2: hostname: is not of type 'string'"),
    (
        "locale: x\nusers:\n- name: x\n- name: 5\n  passwd: hunter2\n",
        # cloud-init 22 names the user, 25 the user's name.
        r"line 5: users\.1(: is not valid under|\.name: is not of type 'string')",
    ),
    ("runcmd: hunter2, hostname: x\n", r"line 2: not YAML"),
    ("runcmd: 'hunter2, hostname: x'\n", r"line 2: runcmd: is not of type 'array'"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_wrong_line_is_named_and_none_of_its_values(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "user-data"
    path.write_text(f"#cloud-config\n{text}")
    with pytest.raises(kk.InvalidSpec) as caught:
        render("cloud-init", InstallSpec(answers_file=str(path)), "web1")
    assert re.match(said, caught.value.errors["answers_file"])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("network", "system", "writes", "file", "lines"),
    [
        (
            *("192.168.0.9/24 192.168.0.1 192.168.0.2", "debian", "eni"),
            *("etc/network/interfaces.d/50-cloud-init", ["address 192.168.0.9/24", "gateway 192.168.0.1"]),
        ),
        (
            *("fd00::9/64 fd00::1", "debian", "eni", "etc/network/interfaces.d/50-cloud-init"),
            ["iface eth0 inet6 static", "address fd00::9/64", "gateway fd00::1"],
        ),
        (
            *(
                "192.168.0.9/24 192.168.0.1",
                "centos",
                "sysconfig",
                "etc/sysconfig/network-scripts/ifcfg-eth0",
            ),
            ["IPADDR=192.168.0.9", "NETMASK=255.255.255.0", "GATEWAY=192.168.0.1", f"HWADDR={MAC}"],
        ),
    ],
)
def test_it_understands_a_static_address(
    network: str, system: str, writes: str, file: str, lines: list[str]
) -> None:
    text = render("cloud-init", InstallSpec(network=network), "web1", mac=MAC).files["network-config"]
    argv = ["in-root", "sh", "-c", CONVERT, "sh", system, writes, MAC, file]
    found = Local("this machine").run(argv, text, timeout=120)
    assert found.exit_code == 0, found.stderr
    assert set(lines) <= {line.strip() for line in found.stdout.splitlines()}
