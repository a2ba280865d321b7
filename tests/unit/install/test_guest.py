"""How old a lease is, by its network's own words, and which addresses are of use."""

import time

import pytest

from kvmkit.vm.addresses import _age, _is_of_use

NETWORK = "<network><ip><dhcp><range start='192.0.2.2' end='192.0.2.9'>{}</range></dhcp></ip></network>"


@pytest.mark.parametrize(
    ("lease", "seconds"),
    [
        ("", 3600),
        ("<lease expiry='600' unit='seconds'/>", 600),
        ("<lease expiry='90'/>", 5400),
        ("<lease expiry='2' unit='hours'/>", 7200),
    ],
)
def test_a_lease_is_as_old_as_its_network_gave_it_for_less_what_is_left(lease: str, seconds: int) -> None:
    ends = round(time.time()) + seconds - 100
    age = _age({"expirytime": ends}, NETWORK.format(lease))

    assert age is not None
    assert 99 <= age <= 200


def test_a_lease_for_ever_has_no_age_and_a_clock_that_is_ahead_makes_none_negative() -> None:
    assert _age({"expirytime": 0}, NETWORK.format("")) is None
    assert _age({"expirytime": round(time.time()) + 9999}, NETWORK.format("")) == 0


@pytest.mark.parametrize(
    ("address", "of_use"),
    [
        *(("192.0.2.7/24", True), ("2001:db8::7/64", True), ("10.0.0.7", True), ("fd00::7/64", True)),
        *(("127.0.0.1/8", False), ("::1/128", False), ("169.254.7.7/16", False), ("fe80::7", False)),
    ],
)
def test_loopback_and_link_local_are_of_no_use(address: str, of_use: bool) -> None:
    assert _is_of_use(address) == of_use
