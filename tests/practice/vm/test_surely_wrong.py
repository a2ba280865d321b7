"""What would surely go wrong is refused while planning."""

import pytest

import kvmkit as kk


@pytest.fixture
def disk(host: kk.Host) -> str:
    """Give the name of a disk image in the default pool."""
    kk.apply(kk.plan_vm(host, kk.VMSpec(name="other")))
    return "other.qcow2"


def test_a_disk_image_as_a_cd(host: kk.Host, disk: str) -> None:
    with pytest.raises(kk.InvalidSpec, match=r"cdrom: 'other.qcow2': it is a disk image \(qcow2\).*image="):
        kk.plan_vm(host, kk.VMSpec(name="web1", cdrom=disk))
    with pytest.raises(kk.InvalidSpec, match=r"media: 'other.qcow2': it is a disk image"):
        kk.insert_media(host, "other", disk)


def test_more_vcpus_than_the_machine_takes(host: kk.Host) -> None:
    with pytest.raises(kk.InvalidSpec, match=r"vcpus: 33: its machine type takes 32 on that host"):
        kk.plan_vm(host, kk.VMSpec(name="web1", vcpus=33))

    assert kk.plan_vm(host, kk.VMSpec(name="web1", vcpus=32)).steps
