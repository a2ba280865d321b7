"""What is on a host, as DataFrames: the same index, columns and types with rows and without."""

from collections.abc import Callable
from typing import Any

import libvirt
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import kvmkit as kk
from tests.practice.machines import IMAGES, define, make_volume

SHAPES: dict[str, dict[str, str]] = {
    "vms": {
        "state": "str",
        "vcpus": "int64",
        "memory_mib": "int64",
        "autostart": "bool",
        "persistent": "bool",
    },
    "pools": {
        "active": "bool",
        "type": "str",
        "path": "str",
        "capacity_gib": "float64",
        "free_gib": "float64",
        "autostart": "bool",
    },
    "volumes": {
        "pool": "str",
        "format": "str",
        "capacity_gib": "float64",
        "allocation_gib": "float64",
        "path": "str",
        "backing": "str",
    },
    "networks": {"active": "bool", "forward": "str", "bridge": "str", "autostart": "bool"},
}


def empty_host(host: kk.Host) -> None:
    with host.changing("remove everything") as connection:
        for domain in connection.listAllDomains():
            domain.destroy()
            domain.undefine()
        for pool in connection.listAllStoragePools():
            pool.destroy()
            pool.undefine()
        for network in connection.listAllNetworks():
            network.destroy()
            network.undefine()


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("empty", [False, True])
def test_index_columns_and_types_are_fixed(host: kk.Host, name: str, empty: bool) -> None:
    read: Callable[[kk.Host], pd.DataFrame] = getattr(kk, name)
    if empty:
        empty_host(host)
    frame = read(host)

    assert frame.empty == empty
    assert {column: str(dtype) for column, dtype in frame.dtypes.items()} == SHAPES[name]
    assert list(frame.columns) == list(SHAPES[name])
    assert (frame.index.name, str(frame.index.dtype)) == ("name", "str")


def frame(index: list[str], **columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.Index(index, name="name", dtype="str"))


def test_vms_are_sorted_by_name_with_what_the_guest_has(host: kk.Host) -> None:
    define(host, "zebra")
    define(host, "ant")
    kk.autostart(host, "zebra", on=True)
    kk.suspend(host, "demo")

    assert_frame_equal(
        pd.DataFrame(kk.vms(host)),
        frame(
            ["ant", "demo", "zebra"],
            state=["shut off", "suspended", "shut off"],
            vcpus=[1, 1, 1],
            memory_mib=[64, 1024, 64],
            autostart=[False, False, True],
            persistent=[True, True, True],
        ),
        check_dtype=False,
    )


def test_a_transient_vm_is_told_from_one_that_stays(host: kk.Host) -> None:
    with host.reading("make one on the open connection") as connection:
        connection.createXML(
            "<domain type='kvm'><name>t</name><memory>4096</memory><os><type>hvm</type></os></domain>"
        )

    assert kk.vms(host)["persistent"].to_dict() == {"demo": True, "t": False}


def test_a_vm_that_has_ended_just_now_is_left_out(host: kk.Host, monkeypatch: pytest.MonkeyPatch) -> None:
    info = libvirt.virDomain.info

    def ended(domain: libvirt.virDomain) -> list[int]:
        if domain.name() == "t":
            domain.destroy()
        return list(info(domain))

    with host.reading("make one on the open connection") as connection:
        connection.createXML(
            "<domain type='kvm'><name>t</name><memory>4096</memory><os><type>hvm</type></os></domain>"
        )
    monkeypatch.setattr(libvirt.virDomain, "info", ended)

    assert list(kk.vms(host).index) == ["demo"]


def test_volumes_tell_format_sizes_and_what_they_lie_on(host: kk.Host) -> None:
    make_volume(host, "top", backing="demo.qcow2")
    told = kk.volumes(host)

    assert told.index.tolist() == sorted(told.index)
    assert told.drop(columns="path").loc[["demo.qcow2", "rescue.iso", "top"]].values.tolist() == [
        ["default", "qcow2", 10.0, 1.28, ""],
        ["default", "iso", 0.0, 0.0, ""],
        ["default", "raw", 1.0, 0.0, f"{IMAGES}/demo.qcow2"],
    ]
    assert told["path"].tolist() == [f"{IMAGES}/{name}" for name in told.index]


def test_volumes_of_one_pool_or_of_none_that_is_there(host: kk.Host) -> None:
    with host.changing("make a pool") as connection:
        xml = "<pool type='dir'><name>other</name><target><path>/srv</path></target></pool>"
        connection.storagePoolCreateXML(xml)

    assert kk.volumes(host, "other").empty
    assert kk.volumes(host, "default").equals(kk.volumes(host))
    with pytest.raises(
        kk.NotFound, match=r"no active pool 'gone' on test:///default; active are: default, other"
    ):
        kk.volumes(host, "gone")


def test_pools_and_networks_of_the_practice_host(host: kk.Host) -> None:
    assert kk.pools(host).drop(columns="free_gib").values.tolist() == [[True, "dir", IMAGES, 100.0, False]]
    assert kk.pools(host)["free_gib"].between(90, 100).all()
    assert kk.networks(host).values.tolist() == [[True, "nat", "virbr0", False]]


def test_addresses_tell_where_they_are_known_from(host: kk.Host) -> None:
    told = kk.addresses(host, "demo")
    kk.destroy(host, "demo")
    off = kk.addresses(host, "demo")

    types = {"mac": "str", "address": "str", "source": "str", "age": "Int64"}
    assert told.fillna(-1).values.tolist() == [["52:54:00:00:7a:02", "192.168.122.3/24", "lease", -1]]
    assert off.empty
    assert {c: str(t) for c, t in off.dtypes.items()} == {c: str(t) for c, t in told.dtypes.items()} == types
