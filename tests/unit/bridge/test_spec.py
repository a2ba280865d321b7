"""Every field of BridgeSpec: what it takes, what it refuses, and that a refusal names the field."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kvmkit import BridgeSpec, InvalidSpec

STATIC = {"addressing": "static", "address": "192.168.0.100/24"}
STP = {"stp": True, "forward_delay": 15}

GOOD: list[dict[str, Any]] = [
    {},
    {"nic": "enp3s0f1np1"},
    {"nic": "eth0.5"},
    {"bridge": "br-lan_1"},
    {"bridge": "b" * 15},
    {"addressing": "dhcp"},
    STATIC,
    {**STATIC, "gateway": "192.168.0.1", "dns": "192.168.0.1  fd00::1"},
    {"addressing": "static", "address": "10.0.0.0/31", "gateway": "10.0.0.1"},
    {"addressing": "static", "address": "10.0.0.1/32"},
    STP,
    {"stp": True, "forward_delay": 2, "timeout": 14},
    {"forward_delay": 30},
    {"timeout": 3},
    {"timeout": 600},
    {"allow_guest": True},
]
BAD: list[tuple[str, dict[str, Any]]] = [
    *[
        ("nic", {"nic": nic})
        for nic in ("", "-eth0", ".", "eth0 ", "eth0\n", "a/b", "$(id)", "e" * 16, None, 1)
    ],
    *[
        ("bridge", {"bridge": name})
        for name in ("", "0br", "br.0", "br 0", "br%d", "br0\n", "b" * 16, "br;id", None)
    ],
    ("bridge", {"nic": "br0"}),
    ("addressing", {"addressing": "auto"}),
    ("address", {"addressing": "static"}),
    *[
        ("address", {"addressing": "static", "address": address})
        for address in (
            "192.168.0.100",
            "192.168.0.0/24",
            "192.168.0.255/24",
            "192.168.0.1/33",
            "192.168.0.1/0",
            "192.168.0.1/-1",
            "127.0.0.1/8",
            "224.0.0.1/4",
            "0.0.0.0/8",
            "fd00::1/64",
            "web1/24",
            "192.168.0.1/24 ; id",
        )
    ],
    ("address", {"address": "192.168.0.100/24"}),
    ("gateway", {"gateway": "192.168.0.1"}),
    ("dns", {"addressing": "dhcp", "dns": "192.168.0.1"}),
    *[
        ("gateway", {**STATIC, "gateway": gateway})
        for gateway in ("192.168.1.1", "192.168.0.100", "fd00::1", "router", "192.168.0.1/24")
    ],
    *[
        ("dns", {**STATIC, "dns": dns})
        for dns in ("dns.lan", "192.168.0.1,192.168.0.2", "1.2.3", "::1%eth0\n;")
    ],
    ("stp", {"stp": "yes"}),
    *[("forward_delay", {"stp": True, "forward_delay": delay}) for delay in (0, 1, 31, -1)],
    ("timeout", {**STP, "timeout": 39}),
    *[("timeout", {"timeout": timeout}) for timeout in (0, 2, 601, -1, "long", None)],
    ("allow_guest", {"allow_guest": 1}),
    ("speed", {"speed": 100}),
]


@pytest.mark.parametrize("words", GOOD)
def test_what_fits_is_taken(words: dict[str, Any]) -> None:
    spec = BridgeSpec(**{"nic": "eth0", **words})
    assert BridgeSpec(**spec.model_dump()) == spec


@pytest.mark.parametrize(("field", "words"), BAD)
def test_what_does_not_fit_is_refused_by_its_field(field: str, words: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec) as caught:
        BridgeSpec(**{"nic": "eth0", **words})
    assert list(caught.value.errors) == [field]


def test_values_are_written_as_the_kernel_writes_them() -> None:
    spec = BridgeSpec(nic="eth0", **STATIC, dns="FD00:0::1 192.168.0.1")
    assert spec.dns == "fd00::1 192.168.0.1"
    assert spec.servers == ("fd00::1", "192.168.0.1")


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        BridgeSpec(nic="eth0").nic = "eth1"  # type: ignore[misc]  # mypy knows it


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "nic": st.text(max_size=20),
            "bridge": st.text(max_size=20),
            "addressing": st.sampled_from(["keep", "dhcp", "static", ""]),
            "address": st.text(max_size=20) | st.just("10.0.0.1/8"),
            "gateway": st.text(max_size=20) | st.just("10.0.0.2"),
            "dns": st.text(max_size=20),
            "stp": st.booleans(),
            "forward_delay": st.integers(),
            "timeout": st.integers(),
        },
    )
)
def test_any_words_make_a_spec_or_are_refused_by_field(words: dict[str, Any]) -> None:
    refused: dict[str, str] = {}
    try:
        BridgeSpec(**{"nic": "eth0", **words})
    except InvalidSpec as error:
        refused = error.errors
    assert set(refused) <= set(BridgeSpec.model_fields)
    assert all(refused.values())
