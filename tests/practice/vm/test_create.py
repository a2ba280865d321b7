"""plan_vm on the practice host, with the real virt-install: plans as written down, mistakes of every kind."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import kvmkit as kk
from kvmkit.commands import Local
from kvmkit.vm.xml import parse
from tests.practice.kernels import URI
from tests.practice.machines import IMAGES, define, definition, disk, make_volume, state

VERSION = Local("here").run(["virt-install", "--version"], "", 60).stdout.strip()
EXPECTED = Path(__file__).parents[2] / "expected" / "vm" / f"virt-install-{VERSION}"

SPECS: dict[str, dict[str, Any]] = {
    "blank-disk": {},
    "from-iso": {
        "cdrom": "debian-12-netinst.iso",
        "memory_mib": 2048,
        "vcpus": 2,
        "disk_gib": 20,
        "os": "linux2020",
    },
    "from-image": {"image": "debian-12.qcow2", "disk_gib": 0, "autostart": True},
    "no-disk-no-screen": {"disk_gib": 0, "graphics": "none", "network": ""},
    "efi-and-spice": {"firmware": "efi", "graphics": "spice"},
    "open-screen": {"vnc_port": 5901, "vnc_listen": "0.0.0.0"},  # noqa: S104 - it is what a person asks for
}


def told(plan: kk.Plan) -> str:
    volumes = [step.args["xml"] for step in plan.steps if step.action == "volume-create"]
    shown = [f"== {title}\n{text}" for title, text in plan.shown.items()]
    return "\n\n".join([repr(plan), *shown, *volumes]) + "\n"


@cache
def planned(name: str) -> kk.Plan:
    """Plan once for all tests: on the practice host a spec gives the same plan each time, as shown below."""
    return kk.plan_vm(kk.connect(URI), kk.VMSpec(name="web1", **SPECS[name]))


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_gives_the_plan_that_is_written_down(name: str) -> None:
    """KVMKIT_REWRITE=1 writes tests/expected/vm anew, also for another version of virt-install."""
    plan = planned(name)
    expected = EXPECTED / f"{name}.txt"
    if os.environ.get("KVMKIT_REWRITE"):
        expected.parent.mkdir(parents=True, exist_ok=True)
        expected.write_text(told(plan))
    if not EXPECTED.exists():
        pytest.skip(f"what virt-install {VERSION} describes is not written down in tests/expected/vm")

    assert told(plan) == expected.read_text()


@pytest.mark.parametrize("name", SPECS)
def test_a_plan_is_applied_as_it_promised_and_undone_without_a_trace(host: kk.Host, name: str) -> None:
    spec = kk.VMSpec(name="web1", **SPECS[name])
    before = state(host)
    again = kk.plan_vm(host, spec)

    assert state(host) == before
    assert again == planned(name)
    report = kk.apply(again)
    assert report.ok
    assert kk.vms(host).loc[["web1"]].values.tolist() == [
        ["running", spec.vcpus, spec.memory_mib, spec.autostart, True]
    ]
    assert ("web1.qcow2" in kk.volumes(host).index) == bool(spec.disk_gib or spec.image)
    kk.undo(report)
    assert state(host) == before


def test_the_article_s_vm_has_what_its_command_line_said(host: kk.Host) -> None:
    kk.apply(planned("from-iso"))
    xml = parse(definition(host, "web1"))

    assert (xml.get("type"), xml.find("os/type").get("machine")) == ("kvm", "q35")
    assert [d.get("file") for d in xml.iterfind("devices/disk/source")] == [
        f"{IMAGES}/web1.qcow2",
        f"{IMAGES}/debian-12-netinst.iso",
    ]
    assert [boot.get("dev") for boot in xml.iterfind("os/boot")] == ["hd", "cdrom"]
    assert xml.find("devices/interface/source").get("network") == "default"
    assert xml.find("devices/graphics").get("listen") == "127.0.0.1"


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"name": "demo"}, "name", "'demo': a VM of that name is there already; taken are: demo"),
    ({"memory_mib": 9000}, "memory_mib", "9000: the host has 8192 MiB in all"),
    ({"disk_gib": 101}, "disk_gib", "101: pool default has 100.0 GiB in all"),
    ({"bridge": "br7"}, "bridge", "'br7': no such bridge; the host has: none"),
    ({"network": "dmz"}, "network", "'dmz': that network is not there; active are: default"),
    ({"pool": "fast"}, "pool", "'fast': no such active pool; active are: default"),
    ({"image": "gone.qcow2"}, "image", "'gone.qcow2': in no active storage pool"),
    ({"image": "/srv/gone.qcow2"}, "image", "'/srv/gone.qcow2': in no active storage pool"),
    ({"cdrom": "gone.iso"}, "cdrom", "'gone.iso': in no active storage pool"),
    ({"image": "demo.qcow2"}, "image", "'demo.qcow2': in use: demo writes to it"),
    ({"image": "debian-12.qcow2", "disk_gib": 2}, "disk_gib", "2: smaller than the image, which has 3 GiB"),
    ({"kernel": "/boot/vmlinuz"}, "kernel", "'/boot/vmlinuz': no such file on the host"),
    ({"os": "debian99"}, "os", "debian99"),
    ({"os": "list"}, "os", "'list': not a name from `virt-install --osinfo list`"),
    ({"os": "help"}, "os", "'help': not a name from `virt-install --osinfo list`"),
]


@pytest.mark.parametrize(("fields", "field", "words"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_mistake_is_one_clear_error_and_nothing_is_made(
    host: kk.Host, fields: dict[str, Any], field: str, words: str
) -> None:
    before = state(host)
    with pytest.raises(kk.InvalidSpec) as caught:
        kk.plan_vm(host, kk.VMSpec(**({"name": "web1"} | fields)))

    assert list(caught.value.errors) == [field]
    assert words in caught.value.errors[field]
    assert str(caught.value).isprintable()
    assert state(host) == before
    assert kk.history(host).empty


def test_an_image_that_reaches_outside_the_pools_is_refused_however_deep(host: kk.Host) -> None:
    make_volume(host, "middle.qcow2", backing="../../../../etc/shadow")
    make_volume(host, "top.qcow2", backing="middle.qcow2")
    make_volume(host, "within.qcow2", backing="debian-12.qcow2")
    before = state(host)

    for image in ("middle.qcow2", "top.qcow2"):
        with pytest.raises(kk.InvalidSpec, match=r"image: .* on top of .*/etc/shadow, in no active pool"):
            kk.plan_vm(host, kk.VMSpec(name="web1", image=image))
    assert kk.plan_vm(host, kk.VMSpec(name="web1", image="within.qcow2")).steps
    assert state(host) == before


@pytest.mark.parametrize("field", ["image", "cdrom", "kernel", "pool", "network", "bridge"])
@pytest.mark.parametrize(
    "value",
    ["a b", "'", '"', ";id", "$(id)", "`id`", "<&>", "a,b=c", "--help", "ünï ✓", "x" * 1000, "x" * 10_000],
)
def test_what_is_nasty_and_not_there_is_refused_like_anything_that_is_not_there(
    host: kk.Host, field: str, value: str
) -> None:
    before = state(host)
    with pytest.raises(kk.InvalidSpec) as caught:
        kk.plan_vm(host, kk.VMSpec(name="web1", **{field: f"/{value}" if field == "kernel" else value}))

    assert list(caught.value.errors) == [field]
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()
    assert state(host) == before


def test_all_mistakes_are_told_at_once(host: kk.Host) -> None:
    fields: dict[str, Any] = {
        "name": "demo",
        "memory_mib": 9000,
        "bridge": "br7",
        "cdrom": "gone.iso",
        "disk_gib": 101,
    }
    with pytest.raises(kk.InvalidSpec) as caught:
        kk.plan_vm(host, kk.VMSpec(**fields))

    assert set(caught.value.errors) == set(fields)


def test_a_disk_left_behind_by_another_vm_is_not_taken_over(host: kk.Host) -> None:
    make_volume(host, "web1.qcow2")
    with pytest.raises(
        kk.InvalidSpec, match=r"name: 'web1': its disk web1\.qcow2 is in pool default already"
    ):
        kk.plan_vm(host, kk.VMSpec(name="web1"))


def test_an_image_of_a_vm_that_is_off_is_in_use_as_well(host: kk.Host) -> None:
    define(host, "off", disk("debian-12.qcow2"))
    with pytest.raises(kk.InvalidSpec, match="in use: off writes to it"):
        kk.plan_vm(host, kk.VMSpec(name="web1", image="debian-12.qcow2", disk_gib=0))


def test_an_image_that_is_in_use_under_a_vms_own_disk_may_have_more_on_top(host: kk.Host) -> None:
    kk.apply(kk.plan_vm(host, kk.VMSpec(name="web1", image="debian-12.qcow2", disk_gib=0)))
    plan = kk.plan_vm(host, kk.VMSpec(name="web2", image="debian-12.qcow2", disk_gib=0))

    assert kk.apply(plan).ok


def test_a_fixed_vnc_port_is_given_once(host: kk.Host) -> None:
    kk.apply(kk.plan_vm(host, kk.VMSpec(name="web1", vnc_port=5901)))
    with pytest.raises(kk.InvalidSpec, match="vnc_port: 5901: VM web1 has it; -1 takes a free one"):
        kk.plan_vm(host, kk.VMSpec(name="web2", vnc_port=5901))
