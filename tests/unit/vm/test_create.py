"""plan_vm's decisions, on facts as read from a host: each problem, and what is planned without one."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmkit.errors import InvalidSpec
from kvmkit.plan import Plan
from kvmkit.vm.create import NO_POOLS, Decided, _disk, _plan, _problems
from kvmkit.vm.describe import Described, Disk
from kvmkit.vm.needs import Needs, Pool, Volume
from kvmkit.vm.spec import VMSpec
from kvmkit.vm.storage import GIB, _volume_xml
from kvmkit.vm.xml import parse
from tests.unit.vm.texts import PRINTABLE

IMAGES = "/var/lib/libvirt/images"
ISO = Volume("default", "rescue.iso", f"{IMAGES}/rescue.iso", "iso", 5_081_088)
BASE = Volume("default", "base.qcow2", f"{IMAGES}/base.qcow2", "qcow2", 3 * GIB)
HOST = Needs(
    memory_mib=8192,
    cpus=4,
    vms=("demo", "web0"),
    pools={
        "default": Pool("dir", IMAGES, 100 * GIB, 40 * GIB),
        "vg": Pool("logical", "/dev/vg", 50 * GIB, 9 * GIB),
    },
    networks={"default": True, "lab": False},
    bridges=("br0",),
    files=("/boot/vmlinuz",),
    volumes=(ISO, BASE),
)


def spec(**fields: Any) -> VMSpec:
    return VMSpec(**({"name": "web1"} | fields))


def problems(needs: Needs = HOST, **fields: Any) -> dict[str, str]:
    return dict(_problems(spec(**fields), needs))


def with_volumes(*volumes: Volume) -> Needs:
    return replace(HOST, volumes=volumes)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"cdrom": "rescue.iso"},
        {"cdrom": ISO.path, "disk_gib": 0},
        {"image": "base.qcow2", "disk_gib": 0},
        {"image": BASE.path, "disk_gib": 3},
        {"kernel": "/boot/vmlinuz", "kernel_args": "quiet", "disk_gib": 0},
        {"bridge": "br0", "network": "not there, but the bridge wins"},
        {"network": ""},
        {"pool": "vg", "disk_gib": 50},
        {"memory_mib": 8192, "disk_gib": 100, "vcpus": 64},
    ],
    ids=str,
)
def test_what_fits_the_host_has_no_problem(fields: dict[str, Any]) -> None:
    assert problems(**fields) == {}


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"name": "demo"}, "name", "a VM of that name is there already; taken are: demo, web0"),
        ({"memory_mib": 8193}, "memory_mib", "the host has 8192 MiB in all"),
        ({"bridge": "br1"}, "bridge", "no such bridge; the host has: br0"),
        ({"network": "dmz"}, "network", "that network is not there; active are: default"),
        ({"network": "lab"}, "network", "that network is not active; active are: default"),
        ({"kernel": "/boot/gone", "disk_gib": 0}, "kernel", "no such file on the host"),
        ({"kernel": "/boot/vmlinuz", "initrd": "/boot/gone"}, "initrd", "no such file on the host"),
        ({"image": "gone.qcow2"}, "image", f"in no active storage pool .*: default \\({IMAGES}\\), vg"),
        ({"cdrom": "/srv/gone.iso"}, "cdrom", "in no active storage pool of the host; put it into one of"),
        ({"pool": "fast"}, "pool", "no such active pool; active are: default, vg"),
        ({"disk_gib": 101}, "disk_gib", "pool default has 100.0 GiB in all"),
        ({"disk_gib": 51, "pool": "vg"}, "disk_gib", "pool vg has 50.0 GiB in all"),
        (
            {"image": "base.qcow2", "disk_gib": 2},
            "disk_gib",
            "smaller than the image, which has 3 GiB; 0: just as",
        ),
        ({"image": BASE.path, "pool": "vg"}, "pool", "type logical cannot hold a disk on top of an image"),
    ],
    ids=str,
)
def test_a_problem_names_the_field_and_what_the_host_has(
    fields: dict[str, Any], field: str, words: str
) -> None:
    found = problems(**fields)

    assert list(found) == [field]
    assert re.search(words, found[field])


def test_a_vnc_port_that_a_vm_has_for_itself_is_taken() -> None:
    taken = replace(HOST, vnc_ports={5901: "demo"})

    assert problems(taken, vnc_port=5901) == {"vnc_port": "VM demo has it; -1 takes a free one"}
    assert problems(taken, vnc_port=5902) == {}
    assert problems(taken) == {}


@pytest.mark.parametrize("kind", [*NO_POOLS, "unheard-of"])
def test_a_pool_in_which_no_disk_can_be_made_is_refused_with_those_that_can(kind: str) -> None:
    pools = {"odd": Pool(kind, "", 100 * GIB, 40 * GIB)} | HOST.pools
    found = problems(replace(HOST, pools=pools), pool="odd")

    assert list(found) == ["pool"]
    assert found["pool"].startswith(f"no disk can be made in a pool of type {kind}: ")
    assert found["pool"].endswith("; pools for that: default, vg")
    assert problems(replace(HOST, pools=pools), pool="odd", disk_gib=0) == {}


def test_an_iso_that_is_no_file_of_the_host_is_never_given_to_virt_install() -> None:
    iso = Volume("ceph", "cd.iso", "pool/cd.iso", "raw", 1)

    assert problems(with_volumes(iso), cdrom="cd.iso") == {
        "cdrom": "it is in pool ceph, which has no folder on the host: pool/cd.iso is no file"
    }


def test_a_volume_of_a_pool_of_devices_has_no_format() -> None:
    volume = parse(_volume_xml(Disk("vg", "web1", "/dev/vg/web1", GIB, "device")))

    assert volume.find("target/format") is None


def test_an_image_that_a_vm_writes_to_is_in_use() -> None:
    used = replace(HOST, image_writers=("demo", "web0"))

    assert problems(used, image="base.qcow2")["image"].startswith("in use: demo, web0 writes to it")


@pytest.mark.parametrize("fields", [{"image": "same"}, {"cdrom": "same"}])
def test_a_name_that_two_other_pools_have_must_be_a_path(fields: dict[str, str]) -> None:
    here, there = (Volume(pool, "same", f"/{pool}/same", "raw", 1) for pool in ("a", "b"))
    (text,) = problems(with_volumes(here, there), **fields).values()

    assert text == "several pools have it; give one path of: /a/same, /b/same"
    assert problems(with_volumes(here, there), **{next(iter(fields)): "/a/same"}) == {}


def test_of_two_volumes_of_one_name_the_one_in_the_vms_pool_is_meant() -> None:
    other = replace(BASE, pool="vg", path="/dev/vg/base.qcow2", capacity=GIB)
    needs = with_volumes(other, BASE)
    disk = _disk(spec(image="base.qcow2", disk_gib=0), needs)

    assert problems(needs, image="base.qcow2", disk_gib=0) == {}
    assert disk is not None
    assert (disk.backing, disk.capacity) == (BASE.path, BASE.capacity)


@pytest.mark.parametrize(("pool", "volume"), [("default", "web1.qcow2"), ("vg", "web1")])
def test_a_disk_that_was_left_behind_is_not_written_over(pool: str, volume: str) -> None:
    left = with_volumes(Volume(pool, volume, f"/x/{volume}", "qcow2", GIB))

    assert problems(left, pool=pool)["name"].startswith(f"its disk {volume} is in pool {pool} already")
    assert problems(left, pool=pool, disk_gib=0) == {}


def test_all_problems_are_told_at_once() -> None:
    fields: dict[str, Any] = {
        "name": "demo",
        "memory_mib": 9999,
        "bridge": "br1",
        "cdrom": "gone.iso",
        "disk_gib": 101,
    }

    assert set(problems(**fields)) == set(fields)


def test_long_lists_are_cut() -> None:
    many = replace(HOST, vms=tuple(f"vm{number:04}" for number in range(1000)))

    assert problems(many, name="vm0007")["name"].endswith("vm0019 and 980 more")


@pytest.mark.parametrize(
    ("fields", "disk"),
    [
        ({}, Disk("default", "web1.qcow2", f"{IMAGES}/web1.qcow2", 10 * GIB, "qcow2")),
        ({"disk_gib": 0}, None),
        ({"pool": "vg", "disk_gib": 5}, Disk("vg", "web1", "/dev/vg/web1", 5 * GIB, "device")),
        (
            {"image": "base.qcow2", "disk_gib": 0},
            Disk("default", "web1.qcow2", f"{IMAGES}/web1.qcow2", 3 * GIB, "qcow2", BASE.path, "qcow2"),
        ),
    ],
    ids=str,
)
def test_the_new_disk(fields: dict[str, Any], disk: Disk | None) -> None:
    assert _disk(spec(**fields), HOST) == disk


@given(path=PRINTABLE, backing=PRINTABLE, name=PRINTABLE)
def test_a_volumes_xml_holds_any_name_and_path_exactly(path: str, backing: str, name: str) -> None:
    xml = parse(_volume_xml(Disk("default", name, path, 7, "qcow2", backing, "raw")))

    assert xml.findtext("name") == name
    assert xml.findtext("backingStore/path") == backing
    assert (xml.findtext("capacity"), xml.find("backingStore/format").get("type")) == ("7", "raw")


def planned(needs: Needs = HOST, **fields: Any) -> Plan:
    asked = spec(**fields)
    described = Described("virt-install …", "<domain/>", ("uuid", "mac"), ["/log"])
    decided = Decided(needs, _disk(asked, needs), described, "qemu: no KVM")
    return _plan("qemu:///system", asked, decided)


@pytest.mark.parametrize(
    ("fields", "actions"),
    [
        ({}, ["volume-create", "vm-define", "vm-start"]),
        ({"disk_gib": 0}, ["vm-define", "vm-start"]),
        ({"autostart": True}, ["volume-create", "vm-define", "vm-autostart", "vm-start"]),
    ],
)
def test_volumes_come_before_the_definition_and_the_start_comes_last(
    fields: dict[str, Any], actions: list[str]
) -> None:
    assert [step.action for step in planned(**fields).steps] == actions
    assert all(step.undo and not step.lost for step in planned(**fields).steps)


def test_a_vm_owns_the_disk_that_was_made_for_it_and_nothing_else() -> None:
    steps = {step.action: step.args for step in planned(image="base.qcow2", cdrom="rescue.iso").steps}

    assert steps["vm-define"]["disks"] == [f"{IMAGES}/web1.qcow2"]
    assert steps["vm-start"]["logs"] == ["/log"]


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({}, "runs as qemu: no KVM"),
        ({"disk_gib": 41}, "the disk may grow to 41 GiB, pool default has 40.0 GiB free"),
        ({"vcpus": 5}, "5 vCPUs will share the host's 4 processors"),
        ({"cdrom": "rescue.iso"}, "boots its disk, and as long as that is empty, the CD"),
        ({}, "nothing to boot from yet: kk.insert_media(host, 'web1', ISO) and kk.reboot"),
        ({"vnc_listen": "::"}, "whoever can reach :: sees and uses its screen without a password"),
    ],
    ids=str,
)
def test_notes_say_what_was_chosen_and_what_it_costs(fields: dict[str, Any], note: str) -> None:
    assert note in planned(**fields).notes


@pytest.mark.parametrize("fields", [{"disk_gib": 40, "vcpus": 4, "image": "base.qcow2"}])
def test_without_need_nothing_is_noted(fields: dict[str, Any]) -> None:
    assert planned(**fields).notes == ("runs as qemu: no KVM",)


TEXT = st.text(max_size=200) | st.sampled_from(["", "default", "rescue.iso", "base.qcow2", "vg"])
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "memory_mib": st.integers() | st.integers(16, 9999),
        "vcpus": st.integers() | st.integers(1, 99),
        "disk_gib": st.integers() | st.integers(0, 99),
        "vnc_port": st.integers() | st.integers(5900, 5999),
        **dict.fromkeys(("image", "cdrom", "pool", "network", "bridge", "kernel"), TEXT),
    },
)


@given(fields=FIELDS)
def test_whatever_is_asked_for_is_refused_by_field_or_planned_so_that_it_can_be_kept(
    fields: dict[str, Any],
) -> None:
    try:
        found = problems(**fields)
    except InvalidSpec as refused:
        found = refused.errors
    if found:
        assert set(found) <= set(fields) | {"name", "disk_gib", "network", "pool"}
        assert all(message.isprintable() for message in found.values())
    else:
        plan = planned(**fields)
        assert Plan.model_validate_json(plan.model_dump_json()) == plan
        assert repr(plan).count("\n") == 2 * len(plan.steps) + len(plan.notes) + 1
