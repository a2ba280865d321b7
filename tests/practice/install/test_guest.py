"""What can be waited for at a VM that runs no system: its made-up address; the rest is refused."""

import pytest

import kvmkit as kk
from tests.practice.machines import define


def test_the_made_up_address_is_there_at_once(host: kk.Host) -> None:
    came = kk.wait_for(host, "demo", "address")

    assert (came.what, came.address, came.said) == ("address", "192.168.122.3", "")
    assert came.seconds < 60


@pytest.mark.parametrize("what", ["ssh", "agent", "login:"])
def test_what_takes_a_system_is_refused(host: kk.Host, what: str) -> None:
    with pytest.raises(kk.Unsupported, match=f"runs no system, so '{what}' never comes"):
        kk.wait_for(host, "demo", what)


def test_nothing_is_expected_of_a_vm_that_is_off_or_not_there(host: kk.Host) -> None:
    kk.destroy(host, "demo")
    with pytest.raises(kk.WrongState, match=r"demo .* is shut off, so .*kk\.start\(host, 'demo'\)"):
        kk.wait_for(host, "demo", "address")
    with pytest.raises(kk.NotFound, match="no VM 'web9'"):
        kk.wait_for(host, "web9", "address")
    with pytest.raises(kk.InvalidSpec, match="what: address, ssh, agent, or a text"):
        kk.wait_for(host, "demo", " ")


def test_what_does_not_come_is_told_with_what_is_there(host: kk.Host) -> None:
    define(host, "alone")
    kk.start(host, "alone")

    late = (
        r"'address' of VM alone on test:///default did not come in 0\.1 s: it is running, with no address; "
    )
    with pytest.raises(kk.WaitTimeout, match=late):
        kk.wait_for(host, "alone", "address", timeout=0.1)


def test_there_is_no_agent_and_no_shell_string(host: kk.Host) -> None:
    with pytest.raises(kk.Unsupported, match="no agent in it; it takes a real host"):
        kk.run_in_guest(host, "demo", ["true"])
    with pytest.raises(kk.InvalidSpec, match=r"argv: 'uname -r': a list of words, please"):
        kk.run_in_guest(host, "demo", "uname -r")
