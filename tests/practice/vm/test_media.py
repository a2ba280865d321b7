"""CDs go in and out of a VM, also while it runs: the article's complaint was that this needed a shutdown."""

import pytest

import kvmkit as kk
from kvmkit.vm.xml import parse
from tests.practice.machines import IMAGES, define, definition, make_volume, state


def loaded(host: kk.Host, name: str = "demo") -> str | None:
    source = parse(definition(host, name)).find("devices/disk[@device='cdrom']/source")
    return None if source is None else str(source.get("file"))


@pytest.mark.parametrize("media", ["rescue.iso", f"{IMAGES}/rescue.iso"], ids=["name", "path"])
@pytest.mark.parametrize("running", [True, False])
def test_a_cd_goes_in_and_out_and_the_vm_stays_as_it_is(host: kk.Host, media: str, running: bool) -> None:
    if not running:
        kk.destroy(host, "demo")
    before = state(host)
    kk.insert_media(host, "demo", media)

    assert loaded(host) == f"{IMAGES}/rescue.iso"
    assert (kk.vms(host).loc["demo", "state"] == "running") == running
    kk.eject_media(host, "demo")
    assert loaded(host) is None
    assert state(host) == before


def test_another_cd_must_be_taken_out_first(host: kk.Host) -> None:
    kk.insert_media(host, "demo", "rescue.iso")
    with pytest.raises(
        kk.WrongState, match=rf"holds {IMAGES}/rescue\.iso: kk\.eject_media\(host, 'demo'\) first"
    ):
        kk.insert_media(host, "demo", "debian-12-netinst.iso")

    assert loaded(host) == f"{IMAGES}/rescue.iso"


def test_an_empty_drive_has_nothing_to_eject(host: kk.Host) -> None:
    with pytest.raises(kk.WrongState, match="the CD drive of VM demo on test:///default is empty already"):
        kk.eject_media(host, "demo")


@pytest.mark.parametrize(
    "media", ["none.iso", "", "/etc/passwd", "../rescue.iso", "a\nb", "$(id)", "x" * 10_000]
)
def test_an_iso_that_no_pool_has_is_told_with_those_there_are(host: kk.Host, media: str) -> None:
    before = state(host)
    with pytest.raises(kk.NotFound, match=r"ISOs there: debian-12-netinst\.iso, rescue\.iso") as caught:
        kk.insert_media(host, "demo", media)

    assert repr(media[:80]) in str(caught.value)
    assert len(str(caught.value)) < 250
    assert state(host) == before


@pytest.mark.parametrize("name", ['it\'s <&> "odd", $(id).iso', "ünï ✓.iso"])
def test_an_iso_of_any_name_goes_in(host: kk.Host, name: str) -> None:
    make_volume(host, name)
    kk.insert_media(host, "demo", name)

    assert loaded(host) == f"{IMAGES}/{name}"


def test_a_vm_without_a_drive_says_so(host: kk.Host) -> None:
    define(host, "x")
    with pytest.raises(kk.NotFound, match="VM x on test:///default has no CD drive"):
        kk.insert_media(host, "x", "rescue.iso")
    with pytest.raises(kk.NotFound, match="VM x on test:///default has no CD drive"):
        kk.eject_media(host, "x")


def test_a_vm_that_is_not_there_is_told(host: kk.Host) -> None:
    with pytest.raises(kk.NotFound, match="no VM 'web9'"):
        kk.insert_media(host, "web9", "rescue.iso")


def test_a_change_of_cd_is_in_the_history(host: kk.Host) -> None:
    kk.insert_media(host, "demo", "rescue.iso")
    kk.eject_media(host, "demo")

    assert kk.history(host)["what"].tolist() == [
        f"insert {IMAGES}/rescue.iso into VM demo",
        "eject the CD of VM demo",
    ]
