"""What a real guest becomes: its addresses from each source, its console's words, its end."""

import contextlib
import threading
from collections.abc import Iterator

import pytest

import kvmkit as kk
from kvmkit.install import guest
from kvmkit.vm.session import Session
from tests.realqemu.vm.world import BOOT, READY, World

QUIET = """<network>
  <name>quiet</name><bridge name='quiet0'/><ip address='10.77.0.1' prefix='24'/>
</network>"""
NIC = "<interface type='network'><source network='quiet'/><model type='virtio'/></interface>"
SAID = "kvmkit guest address"


@contextlib.contextmanager
def keys(host: kk.Host, name: str) -> Iterator[Session]:
    """Give the keyboard of a VM's console."""
    session = Session(host, name)
    session.open(lambda _data: None, lambda _state, _why: None)
    try:
        yield session
    finally:
        session.close()


@pytest.fixture
def quiet_network(host: kk.Host) -> Iterator[None]:
    """Have a network on which nobody gives addresses."""
    with host.changing("make a network") as connection:
        network = connection.networkCreateXML(QUIET)
    yield
    network.destroy()


def test_a_guest_is_waited_for_until_its_end(
    world: World, host: kk.Host, quiet_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kk.apply(kk.plan_vm(host, world.linux(disk_gib=0)))

    assert kk.wait_for(host, "linux", READY, BOOT).said == READY
    first = kk.wait_for(host, "linux", "address", BOOT).address
    assert first.startswith("192.168.122.")
    world.wait_for("linux", f"{SAID}: {first}")

    with keys(host, "linux") as session:
        # By another client id it gets another lease, and then has that address.
        session.send(b"\nudhcpc -i eth0 -s /etc/dhcp-lease -n -q -x 0x3d:01020304\n")
        world.wait_for("linux", SAID, times=2)
        [second] = kk.addresses(host, "linux").to_dict("records")
        leases = world.lab.run(["virsh", "net-dhcp-leases", "default", "--mac", second["mac"]]).stdout
        assert leases.count("192.168.122.") == 2
        assert second["address"].split("/")[0] != first
        assert (second["source"], second["address"][-3:]) == ("lease", "/24")
        assert 0 <= second["age"] <= BOOT

        # A second NIC, of which the host's neighbour table alone knows.
        with host.changing("plug a card in") as connection:
            connection.lookupByName("linux").attachDevice(NIC)
        session.send(b"until ip link set eth1 up; do sleep 1; done; ip addr add 10.77.0.7/24 dev eth1\n")
        session.send(b"until ping -c 1 10.77.0.1; do sleep 1; done; echo heard=$((1+1))\n")
        kk.wait_for(host, "linux", "heard=2", BOOT)
        both = kk.addresses(host, "linux").set_index("source")
        assert list(both.index) == ["lease", "arp"]
        assert both.loc["arp", "address"] == "10.77.0.7"
        assert both["age"].between(0, BOOT).all()

        what_there_is = (
            r"of VM linux on .* it is running, with 192\.168\.122\.\d+, 10\.77\.0\.7; .* said last:\n"
        )
        for what in ("ssh", "agent", "never said"):
            with pytest.raises(kk.WaitTimeout, match=f"'{what}' {what_there_is}"):
                kk.wait_for(host, "linux", what, timeout=1)
        with pytest.raises(
            kk.WrongState, match=r"agent of VM linux .* does not answer: kk\.wait_for.*install"
        ):
            kk.run_in_guest(host, "linux", ["true"])

        powered_off = threading.Event()

        # It ends once its console is looked at, and somebody waits for what will never be there.
        def look(host: kk.Host, name: str) -> str:
            said = kk.console_log(host, name)
            if not powered_off.is_set():
                powered_off.set()
                session.send(b"/etc/acpi/PWRF/00000080\n")
            return said

        monkeypatch.setattr(guest, "console_log", look)
        with pytest.raises(kk.WrongState, match=r"VM linux on .* powered itself off while 'never'") as failed:
            kk.wait_for(host, "linux", "never", BOOT)
    assert "reboot: Power down" in str(failed.value)
    with pytest.raises(kk.WrongState, match=r"VM linux .* is shut off, so that nothing will come of it"):
        kk.wait_for(host, "linux", READY)


def test_a_vm_without_a_channel_for_an_agent_and_without_a_log_is_told_what_it_lacks(
    world: World, host: kk.Host
) -> None:
    world.define("plain")
    kk.start(host, "plain")

    with pytest.raises(
        kk.Unsupported, match=r"VM plain .* has no channel for a guest agent: .*virsh edit plain"
    ):
        kk.run_in_guest(host, "plain", ["true"])
    with pytest.raises(kk.Unsupported, match=r"has no channel for a guest agent"):
        kk.wait_for(host, "plain", "agent")
    with pytest.raises(kk.Unsupported, match=r"the console of VM plain .* is not logged"):
        kk.wait_for(host, "plain", "login:")
    assert kk.addresses(host, "plain").empty
