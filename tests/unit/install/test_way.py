"""From where, by which answers, and how these get there."""

from typing import Any

import pytest

from kvmkit.errors import InvalidSpec
from kvmkit.install.spec import InstallSpec
from kvmkit.install.system import system_name
from kvmkit.install.tree import Tree
from kvmkit.install.way import Way, choose
from kvmkit.vm.spec import VMSpec

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8eVgUNMs7Zn4s6vCv3nTAlqA5HSzWcHj1cTqb0gVbB ann@desk"
RED_HAT = Tree("http://a/rocky", "treeinfo", "Rocky Linux", "9.4", "x86_64", "k", "i")
DEBIAN = Tree("http://a/debian", "debian", "Debian", "12", "x86_64", "k", "i")


def way(tree: Tree | None = None, vm: dict[str, Any] | None = None, **fields: Any) -> Way:
    return choose(VMSpec(**({"name": "web1"} | (vm or {}))), InstallSpec(**fields), tree)


@pytest.mark.parametrize(
    ("tree", "vm", "fields", "expected"),
    [
        (RED_HAT, {}, {}, ("tree", "kickstart", "initrd")),
        (RED_HAT, {}, {"delivery": "seed"}, ("tree", "kickstart", "seed")),
        (RED_HAT, {}, {"answers": "none"}, ("tree", "none", "initrd")),
        (DEBIAN, {}, {}, ("tree", "preseed", "initrd")),
        (DEBIAN, {}, {"delivery": "http"}, ("tree", "preseed", "http")),
        (None, {"image": "base.qcow2"}, {}, ("image", "cloud-init", "seed")),
        (None, {"cdrom": "a.iso"}, {"answers": "kickstart"}, ("iso", "kickstart", "seed")),
        (None, {"cdrom": "a.iso"}, {"answers": "autoinstall"}, ("iso", "autoinstall", "seed")),
    ],
)
def test_each_source_has_its_way(
    tree: Tree | None, vm: dict[str, Any], fields: dict[str, Any], expected: tuple[str, ...]
) -> None:
    found = way(tree, vm, **fields)
    assert (found.source, found.answers, found.delivery) == expected


@pytest.mark.parametrize(
    ("tree", "vm", "fields", "wrong", "words"),
    [
        (None, {}, {}, "location", "nothing to install from"),
        (RED_HAT, {"cdrom": "a.iso"}, {}, "location", "either an install tree or"),
        (RED_HAT, {"kernel": "/boot/vmlinuz"}, {}, "kernel", "boots the installer's own"),
        (RED_HAT, {"disk_gib": 0}, {}, "disk_gib", "nothing to install on"),
        (RED_HAT, {}, {"answers": "preseed"}, "answers", "understands: kickstart, none"),
        (DEBIAN, {}, {"delivery": "seed"}, "delivery", "finds answers by: initrd, http"),
        (None, {"cdrom": "a.iso"}, {}, "answers", "does not say which it understands"),
        (None, {"image": "a.qcow2"}, {"kernel_args": "quiet"}, "kernel_args", "only a tree's kernel"),
    ],
)
def test_what_does_not_go_together_is_refused_by_field(
    tree: Tree | None, vm: dict[str, Any], fields: dict[str, Any], wrong: str, words: str
) -> None:
    with pytest.raises(InvalidSpec) as refused:
        way(tree, vm, **fields)

    assert list(refused.value.errors) == [wrong]
    assert words in refused.value.errors[wrong]


@pytest.mark.parametrize(
    ("tree", "vm", "fields", "note"),
    [
        (RED_HAT, {}, {}, "installs Rocky Linux 9.4 x86_64 from http://a/rocky"),
        (RED_HAT, {}, {}, "kickstart answers, put into the installer's RAM disk, which is deleted after it"),
        (RED_HAT, {}, {}, "nobody will be able to log in: there is no SSH key and no password"),
        (RED_HAT, {}, {"answers": "none"}, "a person answers: kk.console(host, 'web1') or its screen"),
        (None, {"image": "base.qcow2"}, {}, "boots base.qcow2, which is installed already"),
        (None, {"cdrom": "a.iso"}, {"answers": "autoinstall"}, "somebody has to type yes"),
    ],
)
def test_the_reader_of_the_plan_is_told(
    tree: Tree | None, vm: dict[str, Any], fields: dict[str, Any], note: str
) -> None:
    spec, install = VMSpec(**({"name": "web1"} | vm)), InstallSpec(**fields)
    notes = choose(spec, install, tree).notes(spec, install, tree)
    assert any(note in line for line in notes)


@pytest.mark.parametrize(
    ("vm", "fields", "awaited"),
    [
        ({}, {"ssh_keys": KEY}, "ssh"),
        ({}, {}, "login:"),
        ({"bridge": "br0"}, {"ssh_keys": KEY}, "login:"),
        ({"network": ""}, {"ssh_keys": KEY}, ""),
        ({}, {"ssh_keys": KEY, "answers": "none"}, ""),
    ],
)
def test_what_is_waited_for_is_what_is_sure_to_come(
    vm: dict[str, Any], fields: dict[str, Any], awaited: str
) -> None:
    assert way(RED_HAT, vm, **fields).awaited == awaited


def test_an_image_has_no_address_but_its_own() -> None:
    assert way(None, {"image": "base.qcow2"}).awaited == "address"


def test_who_has_a_password_may_enter() -> None:
    spec, install = VMSpec(name="web1"), InstallSpec(root_password="x" * 9)
    notes = list(choose(spec, install, RED_HAT).notes(spec, install, RED_HAT))
    assert not any("log in" in line for line in notes)
    assert not any("xxxxxxxxx" in line for line in notes)


@pytest.mark.parametrize(
    ("family", "version", "name"),
    [
        ("Rocky Linux", "9.4", "rocky9"),
        ("Red Hat Enterprise Linux", "6.4", "rhel6.4"),
        ("CentOS Stream", "9", "centos-stream9"),
        ("Debian", "12", "debian11"),
        ("Debian", "testing", "detect"),
        ("Fedora", "3", "detect"),
        ("Fedora", "Rawhide", "fedora-unknown"),
        ("Fedora", "99", "fedora37"),
        ("Red Hat Enterprise Linux", "6.5", "rhel6.4"),
        ("Red Hat Enterprise Linux", "6.10", "rhel6.4"),
        ("Red Hat Enterprise Linux", "6", "rhel6.4"),
        ("Red Hat Enterprise Linux", "9.6", "rhel9.2"),
        ("Red Hat Enterprise Linux", "9.10", "rhel9.2"),
        ("Red Hat Enterprise Linux", "10.1", "rhel9.2"),
        ("Red Hat Enterprise Linux", "5.9", "rhel3"),
        ("RHEL", "9.6", "rhel9.2"),
        ("CentOS", "7.9", "centos7.0"),
        ("openSUSE Leap", "15.6", "opensuse15.4"),
        ("openSUSE Tumbleweed", "20250101", "opensusetumbleweed"),
        ("SUSE Linux Enterprise", "15.6", "sle15sp4"),
        ("SUSE Linux Enterprise", "12.5", "sles12sp3"),
        ("Something", "9", "detect"),
    ],
)
def test_the_system_is_named_as_libosinfo_does(family: str, version: str, name: str) -> None:
    known = {"centos-stream9", "centos7.0", "debian11", "debian9", "fedora37", "linux2022", "rocky9"}
    known |= {"rhel3", "rhel6.4", "rhel9.0", "rhel9.2", "rhel9-unknown", "fedora-unknown", "opensuse15.4"}
    known |= {"opensuse42.3", "opensusetumbleweed", "sle15sp4", "sle15", "sles12sp3", "sled15sp9"}
    tree = Tree("http://a", "treeinfo", family, version, "x86_64", "k", "i")
    assert system_name(tree, known) == name
