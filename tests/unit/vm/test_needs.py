"""Which folders QEMU cannot enter, by the rights that apply to the user it runs as."""

from typing import Any

import pytest

from kvmkit.vm.create import _closed
from kvmkit.vm.needs import Needs, Pool, Volume
from kvmkit.vm.spec import VMSpec

POOLS = {"default": Pool("dir", "/var/lib/libvirt/images", 1, 1), "home": Pool("dir", "/home/me", 1, 1)}
OWN = Volume("home", "own.iso", "/home/me/own.iso", "iso", 1)
FOLDERS = (
    "755 root root /",
    "755 root root /var",
    "711 root root /var/lib/libvirt/images",
    "700 me me /home/me",
    "750 root kvm /srv",
    "4700 libvirt-qemu root /own",
)
HOST = Needs(1024, 1, (), POOLS, {"default": True}, folders=FOLDERS, volumes=(OWN,))


def closed(user: str, **fields: Any) -> dict[str, str]:
    return dict(_closed(VMSpec(name="web1", **fields), HOST, user, ()))


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("/var/lib/libvirt/images/web1", ""),
        ("/home/me/rescue.iso", "/home/me"),
        ("/home/me/a/b/rescue.iso", "/home/me"),
        ("/home/me", ""),
        ("/home/me-too/rescue.iso", ""),
        ("/srv/iso", ""),
        ("/own/iso", ""),
    ],
)
def test_a_folder_is_closed_by_the_rights_that_apply_to_the_user(path: str, folder: str) -> None:
    assert HOST.closed_to(path, "libvirt-qemu", {"kvm"}) == folder


@pytest.mark.parametrize(("user", "groups"), [("other", set()), ("other", {"users"})])
def test_a_group_opens_a_folder_to_its_members_alone(user: str, groups: set[str]) -> None:
    assert HOST.closed_to("/srv/iso", user, groups) == "/srv"


@pytest.mark.parametrize("field", ["kernel", "initrd", "image", "cdrom", "pool"])
def test_what_qemu_cannot_reach_is_told_while_planning(field: str) -> None:
    value = {"pool": "home", "kernel": "/home/me/vmlinuz", "initrd": "/home/me/initrd"}.get(field, "own.iso")
    kernel = {"kernel": "/boot/vmlinuz"} if field == "initrd" else {}
    fields = kernel | {field: value}

    assert closed("libvirt-qemu", **fields) == {
        field: "QEMU runs as libvirt-qemu, who may not enter /home/me, but may /var/lib/libvirt/images"
    }
    assert closed("me", **fields) == {}
    assert closed("", **fields) == {}  # nobody knows who QEMU runs as: libvirt is to say
