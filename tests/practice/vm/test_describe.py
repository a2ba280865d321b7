"""The real virt-install: it still describes for a recorded host, and takes every value as it is meant."""

from xml.sax.saxutils import escape

import pytest

import kvmkit as kk
from kvmkit.commands import NOT_FOUND, Local, Result
from kvmkit.vm.describe import describe
from kvmkit.vm.xml import parse
from tests.practice.machines import IMAGES, definition, make_volume, state

# What spaces, quotes, commas, XML and shells have made of values before.
NASTY = [
    "a b  c ",
    "it's \"quoted\" 'twice' \\ and \\\\ back",
    "a,b,,c,initrd=evil,size=9",
    "<&>\"'&amp;<!--",
    "$(id) `id` ; | & > * ? ~ # ! %s {}",
    "ünïcödé ✓ 漢字 🐧",
    "--help ? help =x",
    "x" * 1000,
]


def test_it_describes_for_the_recorded_host_and_not_for_libvirts_test_driver(host: kk.Host) -> None:
    """virtinst's own test interface is private to it: this is what notices should it change."""
    before = state(host)
    xml = parse(describe(host, kk.VMSpec(name="web1"), None, f"{IMAGES}/rescue.iso", "kvm").xml)

    assert xml.get("type") == "kvm"
    assert (xml.find("os/type").get("arch"), xml.find("os/type").get("machine")) == ("x86_64", "q35")
    assert xml.findtext("devices/emulator") == "/usr/bin/qemu-system-x86_64"
    assert xml.find("devices/rng/backend") is not None
    assert state(host) == before


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_a_value_comes_out_as_it_went_in(host: kk.Host, text: str) -> None:
    spec = kk.VMSpec(name="web1", kernel=f"/{text}", initrd=f"/i{text}", kernel_args=text)
    xml = parse(describe(host, spec, None, "", "kvm").xml)

    assert xml.findtext("os/kernel") == f"/{text}"
    assert xml.findtext("os/initrd") == f"/i{text}"
    assert xml.findtext("os/cmdline") == text


@pytest.mark.parametrize("text", NASTY[:6], ids=range(6))
def test_a_pool_of_any_name_and_path_can_be_used(host: kk.Host, text: str) -> None:
    with host.changing("make a pool") as connection:
        path = f"<target><path>/srv/{escape(text)}</path></target>"
        connection.storagePoolCreateXML(f"<pool type='dir'><name>{escape(text)}</name>{path}</pool>")
    before = state(host)
    plan = kk.plan_vm(host, kk.VMSpec(name="web1", pool=text))

    assert state(host) == before
    report = kk.apply(plan)
    assert (
        parse(definition(host, "web1")).find("devices/disk/source").get("file") == f"/srv/{text}/web1.qcow2"
    )
    kk.undo(report)
    assert state(host) == before


@pytest.mark.parametrize("text", NASTY[:6], ids=range(6))
def test_an_image_and_an_iso_of_any_name_can_be_used(host: kk.Host, text: str) -> None:
    for kind in ("iso", "image"):
        make_volume(host, f"{kind} {text}")
    before = state(host)
    spec = kk.VMSpec(name="web1", image=f"image {text}", cdrom=f"iso {text}", disk_gib=0)
    report = kk.apply(kk.plan_vm(host, spec))
    xml = parse(definition(host, "web1"))

    assert xml.find("devices/disk[@device='cdrom']/source").get("file") == f"{IMAGES}/iso {text}"
    assert kk.volumes(host).loc["web1.qcow2", "backing"] == f"{IMAGES}/image {text}"
    kk.undo(report)
    assert state(host) == before


def test_without_virt_install_it_is_said_what_to_install(
    host: kk.Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Local, "run", lambda *_args: Result(NOT_FOUND, "", "virt-install: command not found"))
    with pytest.raises(kk.KvmkitError, match="install virtinst"):
        kk.plan_vm(host, kk.VMSpec(name="web1"))
