"""What is made of the probe's output: recorded in the netlab, or synthetic where the test gives the lines."""

import json
from collections.abc import Callable
from typing import Any

import pytest

import kvmkit as kk
from kvmkit.bridge.facts import Network, Session, Way
from kvmkit.bridge.picture import uses_dhcp
from kvmkit.bridge.read import parse_network

Read = Callable[[str], Network]
Edit = Callable[..., Network]

ARTICLE = [("default", "192.168.0.1", "eth0")]


@pytest.mark.parametrize(
    ("name", "owner", "dhcp", "files"),
    [
        ("iproute2", "", False, ()),
        ("ifupdown", "ifupdown", False, ("/etc/network/interfaces",)),
        ("ifupdown-dhcp", "ifupdown", True, ("/etc/network/interfaces",)),
        ("networkd", "systemd-networkd", False, ("/etc/systemd/network/20-lan.network",)),
        ("networkd-dhcp", "systemd-networkd", True, ("/etc/systemd/network/20-lan.network",)),
        ("netplan-networkd", "netplan", False, ("/etc/netplan/01-lan.yaml",)),
        ("netplan-networkmanager", "netplan", False, ("/etc/netplan/01-lan.yaml",)),
        (
            "networkmanager",
            "NetworkManager",
            False,
            ("/etc/NetworkManager/system-connections/lan.nmconnection",),
        ),
        (
            "networkmanager-dhcp",
            "NetworkManager",
            True,
            ("/etc/NetworkManager/system-connections/lan.nmconnection",),
        ),
    ],
)
def test_owner_address_and_route_are_found(
    read_capture: Read, name: str, owner: str, dhcp: bool, files: tuple[str, ...]
) -> None:
    network = read_capture(name)
    eth0 = network.known("eth0")
    assert eth0.mac == "52:54:00:00:01:00"
    assert eth0.state == "up"
    assert eth0.cidrs[0].startswith("192.168.0.") if dhcp else eth0.cidrs[0] == "192.168.0.100/24"
    assert [claim.owner for claim in network.claims_on("eth0")] == ([owner] if owner else [])
    assert [claim.files for claim in network.claims_on("eth0")] == ([files] if owner else [])
    assert uses_dhcp(network, "eth0") is dhcp
    routes = [(r.destination, r.gateway, r.dev) for r in network.routes if r.destination == "default"]
    assert routes[:1] == ARTICLE
    assert network.dns.servers == ("192.168.0.1",)
    assert network.ways["192.168.0.1"] == Way("eth0", True)
    assert network.machine == "kvm"
    assert not network.rules
    assert not network.transactions


def test_ones_own_session_is_found(read_capture: Read) -> None:
    network = read_capture("networkd")
    assert network.session == Session("10.0.0.2", "192.168.0.100")
    assert network.ways["10.0.0.2"] == Way("eth0", True)


def test_metrics_and_several_addresses_are_kept(read_capture: Read) -> None:
    network = read_capture("networkmanager")
    assert network.known("eth0").cidrs == ("192.168.0.100/24", "192.168.0.101/24", "fd00:0:0:1::100/64")
    metrics = {(r.family, r.destination): r.metric for r in network.routes_on("eth0")}
    assert metrics[4, "default"] == 42
    assert metrics[4, "10.9.0.0/16"] == 50
    assert metrics[6, "fd00:0:0:9::/64"] == 60


def test_what_managers_say_is_kept_in_their_words(read_capture: Read) -> None:
    (claim,) = read_capture("networkmanager-dhcp").claims_on("eth0")
    assert claim.settings["ipv4.method"] == "auto"
    assert claim.settings["GENERAL.STATE"] == "100 (connected)"
    # What others choose, such as a connection's name and a DHCP server's options, is not asked for.
    assert not {"GENERAL.CONNECTION", "DHCP4.OPTION[1]"} & set(claim.settings)
    (claim,) = read_capture("networkd-dhcp").claims_on("eth0")
    assert claim.settings["NETWORK_FILE"] == "/etc/systemd/network/20-lan.network"
    assert claim.settings["lease.CLIENTID"].startswith("ff")
    (claim,) = read_capture("netplan-networkd").claims_on("eth0")
    assert claim.settings["renderer"] == "networkd"
    (claim,) = read_capture("netplan-networkmanager").claims_on("eth0")
    assert claim.settings["renderer"] == "NetworkManager"
    (claim,) = read_capture("ifupdown").claims_on("eth0")
    assert (claim.settings["start"], claim.settings["state"]) == ("hotplug", "eth0")
    assert claim.settings["address"] == "192.168.0.100"


def test_files_keep_comments_and_empty_lines(read_capture: Read) -> None:
    text = read_capture("networkd").files["/etc/systemd/network/20-lan.network"]
    assert text.startswith("[Match]\nName=eth0\n\n[Network]\n")
    assert read_capture("ifupdown").files["/etc/network/interfaces"].startswith("# ")


def test_no_password_is_recorded(read_capture: Read) -> None:
    (claim,) = read_capture("networkmanager").claims_on("eth0")
    assert not [name for name in claim.settings if "password" in name]


def test_behind_resolveds_stub_are_its_servers(edited: Edit) -> None:
    stub = {"resolv.conf": ["nameserver 127.0.0.53", "search lan"]}
    network = edited(
        "networkd", resolved=["nameserver 192.168.0.1", "nameserver 9.9.9.9", "search lan"], **stub
    )
    assert network.dns.servers == ("192.168.0.1", "9.9.9.9")
    assert network.dns.search == ("lan",)


@pytest.mark.parametrize(
    ("lines", "machine"),
    [
        (["detected=none", "vendor=Dell Inc.", "product=PowerEdge R650"], ""),
        (["detected=none", "vendor=Amazon EC2", "product=c5.metal"], "Amazon EC2 c5.metal"),
        (["detected=kvm", "vendor=QEMU", "product=Standard PC"], "kvm (QEMU Standard PC)"),
        (["hypervisor=yes"], "an unknown hypervisor"),
        (["hypervisor=yes", "vendor=innotek GmbH", "product=VirtualBox"], "innotek GmbH VirtualBox"),
        ([], ""),
    ],
)
def test_a_virtual_machine_is_known(edited: Edit, lines: list[str], machine: str) -> None:
    assert edited("iproute2", machine=lines).machine == machine


def test_a_checkpoint_and_8021x_are_seen(edited: Edit, read_capture: Read) -> None:
    assert read_capture("networkmanager").checkpoints == 0
    path = '"/org/freedesktop/NetworkManager/Checkpoint/1"'
    assert edited("networkmanager", nm_checkpoints=[f"ao 1 {path}"]).checkpoints == 1
    profile = ["connection.id:lan", "connection.interface-name:eth0", "802-1x.eap:tls"]
    assert edited("networkmanager", **{"nm profile 1": profile}).eap == {"eth0"}
    wired = "wpa_supplicant /sbin/wpa_supplicant -B -D wired -i eth0 -c /etc/wired.conf"
    assert edited("iproute2", daemons=[wired]).eap == {"eth0"}
    wifi = "wpa_supplicant /sbin/wpa_supplicant -u -s -O /run/wpa_supplicant"
    assert edited("iproute2", daemons=[wifi]).eap == frozenset()


@pytest.mark.parametrize(
    ("daemon", "sections", "owner"),
    [
        ("dhclient /sbin/dhclient -pf /run/dhclient.eth0.pid eth0", {}, "dhclient"),
        ("dhcpcd dhcpcd: [manager] [ip4] [ip6]", {}, "dhcpcd"),
        ("udhcpc udhcpc -i eth0 -b", {}, "udhcpc"),
        (
            "wickedd /usr/sbin/wickedd",
            {"file_/etc/sysconfig/network/ifcfg-eth0": ["BOOTPROTO='dhcp'"]},
            "wicked",
        ),
        ("connmand /usr/sbin/connmand -n", {}, "connman"),
        (
            "",
            {
                "file_/etc/sysconfig/network-scripts/ifcfg-eth0": ["DEVICE=eth0"],
                "network-scripts": [],
            },
            "network-scripts",
        ),
    ],
)
def test_those_that_are_left_alone_are_known(
    edited: Edit, daemon: str, sections: dict[str, list[str]], owner: str
) -> None:
    network = edited("iproute2", daemons=[daemon] if daemon else [], **sections)
    assert [claim.owner for claim in network.claims_on("eth0")] == [owner]


def test_a_dhcp_client_of_ifupdowns_is_no_second_owner(edited: Edit) -> None:
    network = edited("ifupdown-dhcp", daemons=["dhclient /sbin/dhclient -4 -v -i eth0"])
    assert [claim.owner for claim in network.claims_on("eth0")] == ["ifupdown"]


def test_links_that_networkd_leaves_alone_are_nobodys(edited: Edit) -> None:
    network = edited("networkd", networkd_2=["ADMIN_STATE=unmanaged"])
    assert network.claims_on("eth0") == ()


def test_zones_of_firewalld_other_than_the_default(edited: Edit) -> None:
    lines = ["default public", "internal", "  interfaces: eth0 eth2", "public (active)", "  interfaces: eth1"]
    assert edited("iproute2", zones=lines).zones == {"eth0": "internal", "eth2": "internal"}


def test_who_is_defined_on_a_link(edited: Edit) -> None:
    lines = [
        "/etc/libvirt/qemu/web1.xml:<source dev='eth0'",
        "/etc/libvirt/qemu/web1.xml:<source dev='eth0'",
        "/etc/libvirt/qemu/web-2.xml:<source bridge='br0'",
        "/etc/libvirt/qemu/networks/lan.xml:<forward mode='nat' dev='eth0'",
    ]
    users = edited("iproute2", users=lines).users
    assert users == {"eth0": ("VM web1", "network lan"), "br0": ("VM web-2",)}


def test_policy_rules_and_several_next_hops(edited: Edit) -> None:
    rules = [
        {"priority": 0, "src": "all", "table": "local"},
        {"priority": 100, "src": "10.0.0.0", "srclen": 8, "table": "vpn"},
        {"priority": 32766, "src": "all", "table": "main", "protocol": "kernel"},
    ]
    hops = [
        {"dst": "default", "flags": [], "nexthops": [{"gateway": "192.168.0.1"}, {"gateway": "192.168.0.2"}]}
    ]
    network = edited("iproute2", rules_4=[json.dumps(rules)], routes_4=[json.dumps(hops)])
    assert network.rules == ("IPv4: priority 100 src 10.0.0.0 srclen 8 table vpn",)
    assert network.routes[0].hops == 2


def test_bridge_bond_vlan_and_wireless(edited: Edit) -> None:
    def link(index: int, name: str, **more: Any) -> dict[str, Any]:
        return {"ifindex": index, "ifname": name, "link_type": "ether", "flags": [], "addr_info": [], **more}

    bridge = {"info_kind": "bridge", "info_data": {"stp_state": 1, "forward_delay": 1500}}
    slave = {"info_slave_kind": "bridge", "info_slave_data": {"state": "forwarding"}}
    found = [
        link(2, "br0", linkinfo=bridge),
        link(3, "eth0", master="br0", linkinfo=slave),
        link(4, "eth0.5", link="eth0", linkinfo={"info_kind": "vlan"}),
        link(5, "wlan0"),
    ]
    network = edited("iproute2", links=[json.dumps(found)], wireless=["wlan0"])
    br0, eth0, vlan, wlan = network.links
    assert br0.bridge is not None
    assert (br0.bridge.stp, br0.bridge.forward_delay) == (True, 15)
    assert (eth0.master, eth0.port_state) == ("br0", "forwarding")
    assert (vlan.kind, vlan.lower) == ("vlan", "eth0")
    assert wlan.wireless
    assert network.ports_of("br0") == ("eth0",)


def test_a_route_by_an_ipv6_gateway_and_one_with_an_mtu(edited: Edit) -> None:
    routes = [
        {"dst": "default", "via": {"family": "inet6", "host": "fe80::1"}, "dev": "eth0", "flags": ["onlink"]},
        {"type": "blackhole", "dst": "10.9.0.0/16", "flags": [], "metrics": [{"mtu": 1400}]},
    ]
    default, hole = edited("iproute2", routes_4=[json.dumps(routes)], routes_6=[]).routes
    assert (default.gateway, default.onlink) == ("fe80::1", True)
    assert (hole.kind, hole.mtu, hole.dev) == ("blackhole", 1400, "")


def test_output_that_ends_early_is_refused() -> None:
    with pytest.raises(kk.KvmkitError, match="ends early"):
        parse_network("### user\n|root root\n### end\n### links\n")


@pytest.mark.parametrize("links", [[], ["1: lo: <LOOPBACK,UP,LOWER_UP>"]])
def test_an_ip_without_json_is_named(edited: Edit, links: list[str]) -> None:
    with pytest.raises(kk.Unsupported, match="no -json"):
        edited("iproute2", links=links)
