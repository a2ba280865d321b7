"""The probe itself: every shell, every user, a made-up /etc, and nothing but what it is meant to read."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.check.facts import parse
from kvmkit.framing import framed_script

PROBE = framed_script("check/probe.sh")
NOBODY = 65534
NAMELESS = 1_234_567
IN_NAMESPACE = ["unshare", "--user", "--map-root-user"]
"""Begins the argv of a command that is root in a user namespace of its own, where it may mount."""
SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"], ["sh"]]


def probe(argv: list[str], number: int | None = None) -> str:
    """Run it, as the user of that number if one is given."""
    ran = subprocess.run(
        argv,
        input=PROBE,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        user=number,
        group=number,
        extra_groups=None if number is None else [],
    )
    assert ran.stderr == ""
    return str(ran.stdout)


@pytest.fixture
def own_mounts() -> None:
    """Leave a test out where no user namespace can be had, as in most containers."""
    allowed = subprocess.run(
        [*IN_NAMESPACE, "--mount", "true"], capture_output=True, text=True, timeout=60, check=False
    )
    if allowed.returncode != 0:
        pytest.skip(f"this machine allows no user namespace: {allowed.stderr.strip()}")


@pytest.fixture
def as_root(request: pytest.FixtureRequest) -> list[str]:
    """Begin the argv of a command that is root, which a person is in a user namespace alone."""
    if os.geteuid() == 0:
        return []
    request.getfixturevalue("own_mounts")
    return IN_NAMESPACE


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_it_runs_in_every_shell(shell: list[str]) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed here")
    facts = parse(probe([*shell, "-s"]))

    assert facts.machine == os.uname().machine
    assert facts.processors == os.cpu_count()
    assert facts.os.kernel == os.uname().release
    assert f" {facts.memory_kib['MemTotal']} kB" in Path("/proc/meminfo").read_text()
    assert (facts.device is not None) == Path("/dev/kvm").exists()
    netfilter = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    assert facts.values.get("call-iptables") == (
        netfilter.read_text().strip() if netfilter.exists() else None
    )


def test_only_kvm_is_the_same_answer_from_less() -> None:
    whole, part = parse(probe(["sh", "-s"])), parse(probe(["sh", "-s", "kvm"]))

    for name in ("user", "user_groups", "machine", "cpu_flags", "modules", "device", "qemu_conf", "accounts"):
        assert getattr(part, name) == getattr(whole, name)
    assert (part.memory_kib, part.commands) == ({}, frozenset())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; the other tests ran as one")
@pytest.mark.parametrize("number", [NOBODY, NAMELESS])
def test_a_user_without_rights_is_told_what_could_not_be_read(number: int) -> None:
    facts = parse(probe(["sh", "-s"], number))

    assert facts.user == ("nobody" if number == NOBODY else str(number))
    assert facts.forward_policies is None
    if facts.device and facts.device.mode & 0o006 == 0 and not facts.device.acl:
        assert facts.device.opens == "Permission denied"


def test_an_answer_that_was_cut_off_is_no_answer() -> None:
    with pytest.raises(kk.KvmkitError, match="end early"):
        parse(probe(["sh", "-s"]).removesuffix("### end\n\n"))


def test_what_a_login_prints_before_is_no_fact() -> None:
    said = probe(["sh", "-s"])

    assert parse("Welcome!\n\nLast login: never\n" + said) == parse(said)


def stand_in(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the probe find a command that does what this machine's own would not."""
    command = folder / name
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("log", "found"),
    [
        ("[    0.0] Linux version 6.1\n[    1.0] usb 1-1: new device\n", ()),
        ("[    0.0] Linux version 6.1\n[    9.9] kvm: disabled by bios\n", ("kvm: disabled by bios",)),
        ("[    9.9] kvm: disabled by bios\n[ 5000.0] virbr0: entered\n", ("kvm: disabled by bios",)),
        ("[ 5000.0] virbr0: entered blocking state\n", None),
    ],
    ids=["whole", "objects", "objected late", "has lost its beginning"],
)
def test_the_kernels_log_counts_if_it_goes_back_to_the_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: str, found: tuple[str, ...] | None
) -> None:
    stand_in(tmp_path, "dmesg", f"cat <<'END'\n{log}END", monkeypatch)

    assert parse(probe(["sh", "-s"])).kernel_log == found


def test_without_securityfs_profiles_are_not_missing(own_mounts: None) -> None:
    # As in a container, which has the kernel's AppArmor all the same.
    script = "mount -t tmpfs none /sys/kernel/security && exec sh -s"
    argv = [*IN_NAMESPACE, "--mount", "sh", "-c", script]

    assert parse(probe(argv)).apparmor_profiles is None


CHAINS = """table ip filter {
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
}
table inet ours {
	chain input {
		type filter hook input priority filter; policy accept;
	}
}"""


@pytest.mark.parametrize(
    ("nft", "policies"), [(f"cat <<'END'\n{CHAINS}\nEND", ("ip filter: drop",)), ("exit 1", None)]
)
def test_rules_that_not_even_root_may_read_are_not_no_rules(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    as_root: list[str],
    nft: str,
    policies: tuple[str, ...] | None,
) -> None:
    modules = Path("/proc/modules")
    if modules.exists() and "nf_tables " not in modules.read_text():
        pytest.skip("this machine's kernel has no nf_tables loaded, and so nobody is asked")
    stand_in(tmp_path, "nft", nft, monkeypatch)

    assert parse(probe([*as_root, "sh", "-s"])).forward_policies == policies


QEMU_CONF = """
# user = "commented"
#vnc_listen = "0.0.0.0"
  vnc_listen   =   '192.0.2.1'   # told by somebody
vnc_listen = "10.0.0.1"
vnc_password = "never shown"
spice_password="never shown"
user = "qemu-of-ours"
dynamic_ownership=0 # off
group = "never \\" closed
cgroup_device_acl = [
    "/dev/null", "/dev/kvm"
]
"""
# Mounts what is in $1 over /etc, and libvirt's folder of images, for the probe that follows alone.
IN_ETC = """
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/work" /etc &&
    mount -t tmpfs none /var/lib && mkdir -p /var/lib/libvirt/images && exec sh -s
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Give a folder whose files the probe finds in /etc."""
    for name in ("etc/libvirt/storage", "work"):
        (tmp_path / name).mkdir(parents=True)
    allowed = subprocess.run(in_etc(tmp_path), input="", capture_output=True, text=True, check=False)
    if allowed.returncode != 0:
        pytest.skip(f"this machine allows no overlay in a user namespace: {allowed.stderr.strip()}")
    return tmp_path


def in_etc(folder: Path) -> list[str]:
    return [*IN_NAMESPACE, "--mount", "sh", "-c", IN_ETC, "sh", str(folder)]


def test_qemu_conf_is_read_without_its_passwords(etc: Path) -> None:
    (etc / "etc/libvirt/qemu.conf").write_text(QEMU_CONF)
    said = probe(in_etc(etc))

    assert "never shown" not in said
    assert parse(said).qemu_conf == {
        "vnc_listen": "192.0.2.1",  # libvirt takes the first
        "user": "qemu-of-ours",
        "dynamic_ownership": "0",
        "group": "never \\",
    }


def test_pools_are_found_by_their_files(etc: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a & b"
    folder.mkdir()
    storage = etc / "etc/libvirt/storage"
    path = str(folder).replace("&", "&amp;")
    (storage / "default.xml").write_text(
        f"<pool type='dir'>\n<target>\n    <path>{path}</path>\n</target>\n</pool>\n"
    )
    (storage / "lvm.xml").write_text("<pool type='logical'><target><path>/dev</path></target></pool>")
    (storage / "gone.xml").write_text("<pool type='dir'><target><path>/nowhere/at/all</path></target></pool>")
    (storage / "bad.xml").write_text(
        "<pool type='dir'><target><path>$(touch /tmp/x); -h</path></target></pool>"
    )

    pools = {str(pool.folder): pool for pool in parse(probe(in_etc(etc))).pools}

    assert set(pools) == {str(folder)}  # and not libvirt's own folder, as the default pool is elsewhere
    free = os.statvfs(folder)
    assert pools[str(folder)].size_kib * 1024 == free.f_blocks * free.f_frsize


def test_another_pool_in_the_default_pools_folder_is_seen(etc: Path) -> None:
    (etc / "etc/libvirt/storage/images.xml").write_text(
        "<pool type='dir'>\n<target>\n    <path>/var/lib/libvirt/images</path>\n</target>\n</pool>\n"
    )
    defaults = parse(probe(in_etc(etc))).defaults

    assert defaults is not None
    assert "taken" in defaults["pool"]


def test_where_the_default_pool_will_be_is_looked_at_too(etc: Path) -> None:
    assert [str(pool.folder) for pool in parse(probe(in_etc(etc))).pools] == ["/var/lib/libvirt/images"]


def test_the_default_pool_and_network_are_looked_for_by_their_files(etc: Path) -> None:
    networks = etc / "etc/libvirt/qemu/networks"
    (networks / "autostart").mkdir(parents=True)
    (networks / "default.xml").touch()
    (networks / "autostart/default.xml").symlink_to("../default.xml")
    defaults = parse(probe(in_etc(etc))).defaults

    # Whether they are active is in /run, which is this machine's own.
    assert defaults is not None
    assert {kind: words - {"active"} for kind, words in defaults.items()} == {
        "pool": frozenset(),
        "network": {"defined", "autostart"},
    }


@pytest.mark.parametrize("release", ["CentOS release 6.10 (Final)", "Pat's release 1"])
def test_a_host_from_before_os_release(etc: Path, release: str) -> None:
    (etc / "etc/redhat-release").write_text(f"{release}\n")
    (etc / "etc/os-release").symlink_to("/nowhere")

    os_facts = parse(probe(in_etc(etc))).os
    assert (os_facts.id, os_facts.name) == ("", release)
