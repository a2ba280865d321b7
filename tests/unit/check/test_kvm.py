"""kvm is chosen where a guest can run under it, whatever libvirt's capabilities say."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from kvmkit.check.facts import Device, Facts
from kvmkit.check.kvm import qemu_user, usable_kvm

ROOT_ONLY = Device(0o600, "root", "root", "yes")


@pytest.mark.parametrize(
    "name", ["debian12", "debian12-unprivileged", "debian12-unsafe", "rhel9", "arm64", "rhel6"]
)
def test_a_host_that_can(read_capture: Callable[[str], Facts], name: str) -> None:
    assert usable_kvm(read_capture(name))[0]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("debian12-no-svm", "neither vmx nor svm, although /dev/kvm is there"),
        ("debian12-bare", "the user of QEMU may not read and write /dev/kvm"),
        ("opensuse", "there is no /dev/kvm"),
    ],
)
def test_a_host_that_cannot_says_why(read_capture: Callable[[str], Facts], name: str, why: str) -> None:
    usable, reason = usable_kvm(read_capture(name))

    assert not usable
    assert why in reason


def test_a_device_is_not_enough_on_x86_though_everybody_may_open_it(debian12: Facts) -> None:
    device = Device(0o666, "root", "kvm", "yes")

    assert not usable_kvm(replace(debian12, device=device, cpu_flags=debian12.cpu_flags - {"svm"}))[0]
    assert usable_kvm(replace(debian12, device=device, cpu_flags=frozenset({"vmx"})))[0]
    assert usable_kvm(replace(debian12, device=device, cpu_flags=frozenset(), machine="aarch64"))[0]


@pytest.mark.parametrize(
    ("mode", "owner", "group", "acl", "usable"),
    [
        (0o660, "root", "kvm", (), True),
        (0o640, "root", "kvm", (), False),
        (0o606, "root", "kvm", (), False),  # the group's rights count for its members, not the others'
        (0o600, "root", "root", (), False),
        (0o666, "root", "root", (), True),
        (0o664, "root", "root", (), False),
        (0o600, "libvirt-qemu", "root", (), True),
        (0o060, "libvirt-qemu", "kvm", (), False),
        (
            0o660,
            "root",
            "root",
            ("user::rw-", "user:libvirt-qemu:rw-", "group::---", "mask::rw-", "other::---"),
            True,
        ),
        (
            0o640,
            "root",
            "root",
            ("user::rw-", "user:libvirt-qemu:rw-", "group::---", "mask::r--", "other::---"),
            False,
        ),
        (
            0o660,
            "root",
            "root",
            ("user::rw-", "group::rw-", "group:kvm:rw-", "mask::rw-", "other::---"),
            True,
        ),
        (0o660, "root", "kvm", ("user::rw-", "user:pat:rw-", "group::---", "mask::rw-", "other::rw-"), False),
    ],
)
def test_the_user_of_qemu_is_judged_not_the_one_who_asks(
    debian12: Facts, mode: int, owner: str, group: str, acl: tuple[str, ...], usable: bool
) -> None:
    facts = replace(debian12, device=Device(mode, owner, group, "yes", acl))

    assert qemu_user(facts) == ("libvirt-qemu", frozenset({"kvm", "libvirt-qemu"}))
    assert usable_kvm(facts)[0] is usable


def test_qemu_conf_names_the_user_and_adds_the_group(debian12: Facts) -> None:
    accounts = {**debian12.accounts, "vmuser": frozenset({"vmuser"})}
    facts = replace(debian12, accounts=accounts, qemu_conf={"user": "vmuser"})

    assert qemu_user(facts) == ("vmuser", frozenset({"vmuser"}))
    assert not usable_kvm(facts)[0]
    assert usable_kvm(replace(facts, qemu_conf={"user": "vmuser", "group": "kvm"}))[0]


@pytest.mark.parametrize("user", ["root", "+0", "0"])
def test_qemu_as_root_opens_every_device(debian12: Facts, user: str) -> None:
    assert usable_kvm(replace(debian12, device=ROOT_ONLY, qemu_conf={"user": user}))[0]


def test_what_not_even_root_may_open_nobody_can_use(debian12: Facts) -> None:
    device = Device(0o666, "root", "kvm", "Operation not permitted")  # a container without a right to it
    usable, reason = usable_kvm(replace(debian12, device=device, qemu_conf={"user": "root"}))

    assert not usable
    assert reason.startswith("opening /dev/kvm fails (Operation not permitted)")


def test_in_a_session_the_user_counts_who_has_tried(debian12: Facts) -> None:
    facts = replace(debian12, session=True, user="pat", user_groups=frozenset({"pat"}))

    assert usable_kvm(facts)[0]
    usable, reason = usable_kvm(replace(facts, device=Device(0o660, "root", "kvm", "Permission denied")))
    assert not usable
    assert reason.startswith("pat may not read and write /dev/kvm (mode 0660, owner root, group kvm)")
