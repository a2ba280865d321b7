"""Whatever others write, its reader ends in a value or in an error of kvmkit's, in linear time."""

import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plumbum import local

from kvmkit import journal
from kvmkit.bridge.backends import netplanyaml, networkfile
from kvmkit.bridge.read import parse_network
from kvmkit.bridge.sealed import seal
from kvmkit.check.facts import parse as parse_facts
from kvmkit.errors import KvmkitError
from kvmkit.install import watch
from kvmkit.install.answers import autoinstall, cloudinit, kickstart, preseed
from kvmkit.install.content import problem_of
from kvmkit.install.tree import parse_sums, parse_treeinfo
from kvmkit.vm.files import parse_files

CAPTURES = Path(__file__).parents[1] / "captures"
TREEINFO = """[header]
version = 1.2
[release]
name = Fedora
version = 40
[tree]
arch = x86_64
[images-x86_64]
kernel = images/vmlinuz
initrd = images/initrd.img
[checksums]
images/vmlinuz = sha256:00
"""
USER_DATA = """#cloud-config
autoinstall:
  version: 1
  identity: &a {hostname: x, password: "$6$x"}
  late-commands: [[sh, -c, "true"], *a]
"""
INTERFACES = """auto lo eth0
iface eth0 inet static
    address 192.0.2.9/24
    wpa-psk "not for you" \\
    post-up ip route add default via 192.0.2.1
source /etc/network/interfaces.d/*
"""
NETPLAN = """network:
  version: 2
  wifis: {w: {access-points: {"home": {password: hunter2}}}}
  ethernets:
    eth0: {addresses: [192.0.2.9/24], match: {macaddress: "00:11:22:33:44:55"}}
"""
KEYFILE = "[connection]\nid=a\n[ipv4]\naddress1=192.0.2.9/24,192.0.2.1\n[wifi-security]\npsk=hunter2\n"
CONSOLE = """[ 0.0] Linux version 6.1.0
\x1b[1;32mStarting installer\x1b[0m, one moment...\r
Installation complete. Press ENTER to quit:
"""
PRESEED = "d-i time/zone string \\\n  UTC\n# x\nd-i passwd/root-password-crypted password !\n"
KICKSTART = "lang en_US\nuser --name=ann --password='hunter2'\n%post\ntrue\n%end\n%include /tmp/x\n"
FILES = "".join(f"{word} " for word in ("file", "2f61", "1", "2", "-", "qcow2")) + "\n"


def in_journal(text: str) -> None:
    """Read what somebody wrote into the journal's lists."""
    folder = journal.runs_folder("test:///default").parent
    for name in ("acts.jsonl", "runs.jsonl"):
        (folder / name).write_text(text, encoding="utf-8", errors="replace")
    journal.acts("test:///default")
    journal.runs("test:///default")


def without_cloud_init(text: str) -> None:
    with local.env(PATH="/nowhere"):
        cloudinit.check(text)


def on_a_console(text: str) -> None:
    for look in (watch.stages, watch.trouble, watch.question, watch.stays_on, watch.ended_by_itself):
        look(text)


READERS: dict[str, tuple[Callable[[str], object], str]] = {
    "treeinfo": (lambda text: parse_treeinfo(text, "http://h/t"), TREEINFO),
    "sums": (parse_sums, f"{'a' * 64}  ./a\nSHA256 (b) = {'b' * 64}\n"),
    "cloud-config": (without_cloud_init, USER_DATA),
    "autoinstall": (autoinstall.check, USER_DATA),
    "preseed": (preseed.check, PRESEED),
    "netplan": (lambda text: netplanyaml._loaded("a.yaml", text), NETPLAN),
    "netplan sealed": (lambda text: seal("/etc/netplan/a.yaml", text), NETPLAN),
    "interfaces": (lambda text: seal("/etc/network/interfaces", text), INTERFACES),
    "keyfile": (lambda text: seal("/etc/NetworkManager/system-connections/a", text), KEYFILE),
    "networkd": (networkfile.parse, "[Match]\nName=eth0\n[Network]\nAddress=192.0.2.9/24\n"),
    "network": (parse_network, (CAPTURES / "bridge/trixie/ifupdown.txt").read_text()),
    "host": (parse_facts, (CAPTURES / "debian12.txt").read_text()),
    "files": (parse_files, FILES),
    "console": (on_a_console, CONSOLE),
    "journal": (in_journal, '{"run": "a", "state": "done", "time": "x"}\n'),
}
SHORT = st.text(max_size=40) | st.text("[]{}<>=:,&*%#!|\\\"' \t\n\r0-~\x00\x1b\ufeff", max_size=40)
SHARED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)


def too_long(*_: object) -> None:
    raise TimeoutError("it takes the square of the size, or worse")


def ends(read: Callable[[str], object], text: str) -> None:
    with contextlib.suppress(KvmkitError):
        read(text)


@pytest.mark.parametrize("name", sorted(READERS))
@SHARED
@given(data=st.data())
def test_a_text_with_something_else_in_it_ends_in_a_value_or_an_error(name: str, data: st.DataObject) -> None:
    read, good = READERS[name]
    place, length = data.draw(st.integers(0, len(good))), data.draw(st.integers(0, 60))
    ends(read, good[:place] + data.draw(SHORT) + good[place + length :])
    ends(read, data.draw(SHORT))


@pytest.mark.multiplied(keep=20)
@pytest.mark.parametrize("name", sorted(READERS))
@pytest.mark.parametrize(
    "piece",
    ["[", "a: ", "- ", " ", "\\\n", "\n", "x", "=", "\x1b[", "\b", '{"a":', "%(a)s", "&a *a ", "anaconda 1 "],
)
def test_a_large_text_is_read_in_the_time_that_its_size_takes(name: str, piece: str) -> None:
    """What takes the square of it does not come to its end here."""
    read, good = READERS[name]
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(90)
    for text in (piece * (2**17 // len(piece)), good + piece * (2**17 // len(piece))):
        ends(read, text)
    signal.alarm(0)


@settings(max_examples=8)
@given(SHORT, st.integers(0, len(KICKSTART)))
def test_a_kickstart_ends_in_a_value_or_an_error(text: str, place: int) -> None:
    ends(lambda found: kickstart.check(found, "RHEL9"), KICKSTART[:place] + text + KICKSTART[place:])


@given(st.binary(max_size=200), st.integers(0, 120), st.sampled_from([2, 3, 2**31]))
def test_an_image_ends_in_a_value_or_an_error(data: bytes, place: int, version: int) -> None:
    head = bytearray(b"QFI\xfb" + version.to_bytes(4, "big") + bytes(200))
    head[place : place + len(data)] = data
    for content in (bytes(head), b"QFI\xfb" + data, data):
        assert isinstance(problem_of(content, "a.qcow2"), str)
