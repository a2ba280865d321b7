"""The command line that describes a VM, and the definition that is made of what it prints."""

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvmkit as kk
from kvmkit.vm.describe import Disk, _arguments, _finish, _options
from kvmkit.vm.spec import VMSpec
from kvmkit.vm.xml import parse
from tests.unit.vm.texts import PRINTABLE

DISK = Disk("default", "web1.qcow2", "/images/web1.qcow2", 10 * 2**30, "qcow2")
ON_TOP = Disk("default", "web1.qcow2", "/images/a,b.qcow2", 3 * 2**29, "qcow2", "/images/base.raw", "raw")
START = "--name web1 --memory 1024 --vcpus 1 --virt-type kvm --osinfo detect=on,name=linux2022"
EMPTY_CD = "--import --disk device=cdrom"
VNC = "--graphics vnc,listen=127.0.0.1"
LOG = "--serial type=pty,log.file=/var/log/libvirt/qemu/web1-console.log"


def spec(**fields: Any) -> VMSpec:
    return VMSpec(**({"name": "web1"} | fields))


def options_of(argv: list[str], name: str) -> list[dict[str, str]]:
    """Split options as virt-install does (virtinst/cli.py, parse_optstr_tuples): a copy, as it is quick.

    That virt-install itself still does so is shown in tests/practice/vm/test_describe.py.
    """
    found = []
    for value in (argv[place + 1] for place, word in enumerate(argv) if word == name):
        lexer = shlex.shlex(value, posix=True)
        lexer.commenters, lexer.whitespace, lexer.whitespace_split = "", ",", True
        pairs = [option.partition("=") for option in lexer]
        found.append({key: rest for key, _, rest in pairs})
    return found


BLANK = "--disk path=/images/web1.qcow2,size=10,format=qcow2"
ON_IMAGE = "backing_store=/images/base.raw,backing_format=raw"
NEW_ON_TOP = rf"--disk path=\'/images/a,b.qcow2\',size=1.5,format=qcow2,{ON_IMAGE}"
KERNEL = {"kernel": "/boot/k", "initrd": "/boot/i", "kernel_args": "console=ttyS0,115200"}
BOOT = r"--boot kernel=/boot/k,initrd=/boot/i,kernel_args=\'console=ttyS0,115200\'"
NAT = "--network network=default"


@pytest.mark.parametrize(
    ("fields", "disk", "cdrom", "line"),
    [
        ({}, DISK, "", [START, BLANK, EMPTY_CD, NAT, VNC, LOG]),
        (
            {"bridge": "br0"},
            DISK,
            "/a b.iso",
            [START, BLANK, "--cdrom '/a b.iso' --network bridge=br0", VNC, LOG],
        ),
        ({}, None, "/a.iso", [START, "--disk none --cdrom /a.iso", NAT, VNC, LOG]),
        (KERNEL | {"network": ""}, None, "", [START, EMPTY_CD, BOOT, "--network none", VNC, LOG]),
        ({"firmware": "efi"}, ON_TOP, "", [START, NEW_ON_TOP, EMPTY_CD, "--boot uefi", NAT, VNC, LOG]),
        (
            {"os": "debian12"},
            None,
            "",
            [START.replace("detect=on,name=linux2022", "debian12"), EMPTY_CD, NAT, VNC, LOG],
        ),
        ({"graphics": "none", "vnc_port": 5901}, None, "", [START, EMPTY_CD, NAT, "--graphics none", LOG]),
        (
            {"vnc_port": 5901},
            None,
            "",
            [START, EMPTY_CD, NAT, "--graphics vnc,port=5901,listen=127.0.0.1", LOG],
        ),
        (
            {"graphics": "spice", "vnc_listen": "::1"},
            None,
            "",
            [START, EMPTY_CD, NAT, "--graphics spice,listen=::1", LOG],
        ),
    ],
    ids=[
        "blank-disk",
        "iso-and-bridge",
        "iso-alone",
        "kernel",
        "image-and-efi",
        "os",
        "no-screen",
        "vnc-port",
        "spice",
    ],
)
def test_the_command_line(fields: dict[str, Any], disk: Disk | None, cdrom: str, line: list[str]) -> None:
    argv = list(_arguments(kk.connect("qemu:///system"), spec(**fields), disk, cdrom, "kvm"))

    assert argv == shlex.split(" ".join(line))


@pytest.mark.parametrize("uri", ["qemu:///session", "test:///default"])
def test_a_console_log_is_kept_only_where_virtlogd_keeps_it(uri: str) -> None:
    assert "--serial" not in list(_arguments(kk.connect(uri), spec(), DISK, "", "kvm"))


@given(st.dictionaries(st.sampled_from(["path", "kernel_args", "bridge"]), st.text(min_size=1)))
def test_any_value_of_an_option_stays_one_value(options: dict[str, str]) -> None:
    assert options_of(["--x", _options(options)], "--x") == [options]


@given(*[PRINTABLE] * 6)
def test_whatever_a_spec_says_comes_out_of_the_command_line_as_it_was(
    kernel: str, initrd: str, args: str, network: str, path: str, backing: str
) -> None:
    asked = spec(kernel=f"/{kernel}", initrd=f"/{initrd}", kernel_args=args, network=network)
    disk = Disk("default", "web1", f"/{path}", 2**30, "qcow2", f"/{backing}", "raw")
    argv = list(_arguments(kk.connect("qemu:///system"), asked, disk, "", "kvm"))

    assert options_of(argv, "--boot") == [
        {"kernel": f"/{kernel}", "initrd": f"/{initrd}", "kernel_args": args}
    ]
    assert options_of(argv, "--network") == [{"network": network}]
    paths = [(o.get("path"), o.get("backing_store")) for o in options_of(argv, "--disk")]
    assert paths == [(f"/{path}", f"/{backing}"), (None, None)]


PRINTED = """<domain type="kvm">
  <name>web1</name><uuid>00000000-0000-4000-8000-000000000001</uuid>
  <os><type>hvm</type><boot dev="cdrom"/></os>
  <on_reboot>destroy</on_reboot>
  <devices>
    <interface type="network"><mac address="52:54:00:11:11:11"/></interface>
    <interface type="network"><mac address="52:54:00:22:22:22"/></interface>
  </devices>
</domain>"""


def test_of_two_phases_one_definition_is_made_that_installs_and_then_goes_on() -> None:
    xml = parse(_finish(PRINTED, spec(), practice=False)[0])

    assert [boot.get("dev") for boot in xml.iterfind("os/boot")] == ["hd", "cdrom"]
    assert xml.find("on_reboot") is None


def test_a_kernel_of_its_own_is_booted_and_no_device() -> None:
    printed = PRINTED.replace('<boot dev="cdrom"/>', "<kernel>/boot/k</kernel>")
    xml = parse(_finish(printed, spec(kernel="/boot/k"), practice=False)[0])

    assert [child.tag for child in xml.find("os")] == ["type", "kernel"]


def test_on_a_real_host_what_was_generated_is_kept_and_named() -> None:
    xml, generated = _finish(PRINTED, spec(), practice=False)

    assert generated == (
        "00000000-0000-4000-8000-000000000001",
        "52:54:00:11:11:11",
        "52:54:00:22:22:22",
    )
    assert all(value in xml for value in generated)


def test_on_the_practice_host_it_follows_from_the_name() -> None:
    first, again, other = (
        _finish(PRINTED, spec(name=name), practice=True)[1] for name in ("web1", "web1", "web2")
    )

    assert first == again
    assert not set(first) & set(other)
    assert len(set(first)) == 3
    assert all(mac.startswith("52:54:00:") and len(mac) == 17 for mac in first[1:])
