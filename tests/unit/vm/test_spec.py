"""Every field of VMSpec: what it takes, what it refuses, and that a refusal names the field and the value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kvmkit import InvalidSpec, VMSpec

LONG = "x" * 10_000
# One line of the printable is taken where a host may have it so; the host then has the last word.
ODD = ["a b", "'", '"', ";", "$(id)", "`id`", "<&>", "a,b", "a=b", "\\", "ünï ✓", "~", "*", "--help"]
UNPRINTABLE = ["a\nb", "a\0b", "a\tb", "\x7f", "a\u200bb", "\ud800", LONG]

GOOD: dict[str, list[Any]] = {
    "name": ["a", "0", "web1", "Web-1.example_org", "a" * 64],
    "memory_mib": [16, 1024, 2**24],
    "vcpus": [1, 1024],
    "disk_gib": [0, 1, 2**20],
    "image": ["", "debian-12.qcow2", "/var/lib/libvirt/images/a", "/a/../b", *ODD],
    "cdrom": ["", "rescue.iso", "/srv/iso/rescue.iso", *ODD],
    "kernel": ["", "/boot/vmlinuz", *(f"/{odd}" for odd in ODD)],
    "pool": ["default", *ODD],
    "network": ["", "default", *ODD],
    "bridge": ["", "br0", "br-lan.10", "b" * 15],
    "graphics": ["vnc", "spice", "none"],
    "vnc_port": [-1, 5900, 65535],
    "vnc_listen": ["127.0.0.1", "0.0.0.0", "::1", "2001:db8::7"],  # noqa: S104 - not bound here
    "os": ["detect", "debian12", "win2k22", "rhel9.2", "a" * 64],
    "firmware": ["bios", "efi"],
    "autostart": [True, False],
}
BAD: dict[str, list[Any]] = {
    "name": ["", " ", "-a", ".a", "_a", "a b", "a/b", "a\n", "ü", "a" * 65, *ODD, *UNPRINTABLE, None, 1],
    "memory_mib": [15, 0, -1, 2**24 + 1, 10**30, 1.5, "many", None, float("nan"), float("inf"), "9" * 5000],
    "vcpus": [0, -1, 1025, 1.5, "two", None],
    "disk_gib": [-1, 2**20 + 1, 0.5, "big", None],
    "image": ["a/b", "./a", "~/a", *UNPRINTABLE, None, 1],
    "cdrom": ["a/b", "../a", *UNPRINTABLE, None, 1],
    "kernel": ["vmlinuz", "./vmlinuz", "boot/vmlinuz", *(f"/{text}" for text in UNPRINTABLE), None],
    "pool": ["", *UNPRINTABLE, None],
    "network": [*UNPRINTABLE, None],
    "bridge": ["b" * 16, "br 0", "br/0", "br:0", "br0\n", None],
    "graphics": ["", "VNC", "sdl", None],
    "vnc_port": [0, -2, 80, 5899, 65536, "vnc", None],
    "vnc_listen": ["", "localhost", "kvm1", "127.0.0.1,port=1", "fe80::1%eth0", "::1%\n", "1.2.3", None],
    "os": ["", "-a", "a b", "a,name=b", "detect=on", "a/b", "a" * 65, None],
    "firmware": ["", "uefi", "EFI", None],
    "autostart": ["yes", 1, 0, "true", None],
}
WITH_KERNEL = {"initrd": GOOD["kernel"], "kernel_args": ["", "console=ttyS0,115200", *ODD]}


def cases(table: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(field, value, id=f"{field}-{place}")
        for field, values in table.items()
        for place, value in enumerate(values)
    ]


def spec(**fields: Any) -> VMSpec:
    return VMSpec(**({"name": "web1"} | fields))


@pytest.mark.parametrize(("field", "value"), cases(GOOD))
def test_a_good_value_is_kept_as_it_is(field: str, value: Any) -> None:
    assert getattr(spec(**{field: value}), field) == value


@pytest.mark.parametrize(("field", "value"), cases(WITH_KERNEL))
def test_a_good_value_beside_a_kernel_is_kept_as_it_is(field: str, value: Any) -> None:
    assert getattr(spec(kernel="/boot/vmlinuz", **{field: value}), field) == value


@pytest.mark.parametrize(("field", "value"), cases(BAD))
def test_a_bad_value_is_refused_by_field_and_value(field: str, value: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        spec(**{field: value})

    assert list(caught.value.errors) == [field]
    message = str(caught.value)
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "…"
    assert message.startswith(f"{field}: {shown}: ")
    assert len(message) < 250
    assert message.isprintable()


@pytest.mark.parametrize("field", ["initrd", "kernel_args"])
@pytest.mark.parametrize("value", UNPRINTABLE, ids=range(len(UNPRINTABLE)))
def test_a_bad_value_beside_a_kernel_is_refused(field: str, value: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        spec(kernel="/boot/vmlinuz", **{field: f"/{value}"})

    assert list(caught.value.errors) == [field]


@pytest.mark.parametrize("fields", [{"initrd": "/boot/initrd"}, {"kernel_args": "quiet"}])
def test_what_goes_with_a_kernel_needs_one(fields: dict[str, str]) -> None:
    with pytest.raises(InvalidSpec, match="initrd and kernel_args go with a kernel, and kernel is empty"):
        spec(**fields)


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(InvalidSpec) as caught:
        VMSpec(name="a b", memory_mib=1, graphics="sdl", vnc_listen="kvm1")

    assert set(caught.value.errors) == {"name", "memory_mib", "graphics", "vnc_listen"}


def test_a_field_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="memory: 512"):
        spec(memory=512)


def test_a_name_is_needed() -> None:
    nothing: dict[str, Any] = {}
    with pytest.raises(InvalidSpec, match=r"name: .*Field required"):
        VMSpec(**nothing)


def test_a_spec_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(spec(), "name", "web2")  # noqa: B010 - mypy knows that it is frozen


def test_every_field_is_in_the_tables() -> None:
    assert set(GOOD) | set(WITH_KERNEL) == set(VMSpec.model_fields)
    assert set(BAD) | {"initrd", "kernel_args"} == set(VMSpec.model_fields)


ANYTHING = st.one_of(
    st.text(),
    st.text(alphabet=" \n\t\0'\"\\;$()<>&|*?~`,=:%/-_.aZ0ü✓\u200b\ud800"),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.binary(),
    st.lists(st.text(), max_size=2),
    st.sampled_from([LONG, "9" * 5000]),
)


@pytest.mark.parametrize("field", sorted(VMSpec.model_fields))
@given(value=ANYTHING)
def test_anything_at_all_is_kept_or_refused_by_name_and_nothing_else(field: str, value: Any) -> None:
    kernel = {"kernel": "/boot/vmlinuz"} if field in WITH_KERNEL else {}
    kept: Any = None
    refused: InvalidSpec | None = None
    try:
        kept = getattr(spec(**(kernel | {field: value})), field)
    except InvalidSpec as error:
        refused = error

    if refused:
        assert list(refused.errors) == [field]
        assert len(str(refused)) < 400
        assert str(refused).encode()
    elif isinstance(kept, str):
        assert kept.isprintable()
        assert kept == (value.decode() if isinstance(value, bytes) else value)
    else:
        assert kept == int(value)  # a form hands numbers in as text
