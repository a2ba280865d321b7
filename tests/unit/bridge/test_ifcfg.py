"""The two files of network-scripts, compared with the article's own."""

from collections.abc import Callable
from dataclasses import replace

from kvmkit.bridge.backends import ifcfg
from kvmkit.bridge.facts import Network
from kvmkit.bridge.spec import BridgeSpec

CARD, BRIDGE = (f"/etc/sysconfig/network-scripts/ifcfg-{name}" for name in ("eth0", "br0"))

ARTICLE = {
    CARD: """\
DEVICE=eth0
TYPE=Ethernet
ONBOOT=yes
BOOTPROTO=none
BRIDGE=br0
""",
    BRIDGE: """\
DEVICE=br0
TYPE=Bridge
ONBOOT=yes
BOOTPROTO=static
IPADDR=192.168.0.100
GATEWAY=192.168.0.1
NETMASK=255.255.255.0
DNS1=192.168.0.1
DELAY=0
""",
}
"""The article's chapter 4.4, letter by letter."""

Read = Callable[[str], Network]


def test_a_host_at_the_articles_address_gets_the_articles_files(read_capture: Read) -> None:
    assert ifcfg.files(read_capture("iproute2"), BridgeSpec(nic="eth0")) == ARTICLE


def test_so_does_one_that_is_given_that_address(read_capture: Read) -> None:
    spec = BridgeSpec(
        nic="eth0",
        addressing="static",
        address="192.168.0.100/24",
        gateway="192.168.0.1",
        dns="192.168.0.1",
    )

    assert ifcfg.files(read_capture("networkmanager-dhcp"), spec) == ARTICLE


def test_with_dhcp_no_address_is_written(read_capture: Read) -> None:
    found = ifcfg.files(read_capture("networkmanager-dhcp"), BridgeSpec(nic="eth0"))[BRIDGE]

    assert "BOOTPROTO=dhcp\n" in found
    assert "IPADDR" not in found


def test_more_addresses_and_ipv6(read_capture: Read) -> None:
    spec = BridgeSpec(nic="eth0", stp=True, forward_delay=15)

    found = ifcfg.files(read_capture("networkmanager"), spec)[BRIDGE]

    assert "IPADDR1=192.168.0.101\nNETMASK1=255.255.255.0\n" in found
    assert "IPV6INIT=yes\nIPV6ADDR=fd00:0:0:1::100/64\nIPV6_DEFAULTGW=fd00:0:0:1::1\n" in found
    assert found.endswith("STP=on\nDELAY=15\n")


def test_a_default_route_without_a_gateway_names_none(read_capture: Read) -> None:
    network = read_capture("iproute2")
    routes = tuple(replace(route, gateway="") for route in network.routes)
    assert "GATEWAY" not in ifcfg.files(replace(network, routes=routes), BridgeSpec(nic="eth0"))[BRIDGE]
