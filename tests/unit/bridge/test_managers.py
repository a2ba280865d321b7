"""What the backends of network managers render, from recorded hosts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kvmkit.bridge.backends import netplan, networkd, networkmanager
from kvmkit.bridge.backends.netplanyaml import load
from kvmkit.bridge.facts import Network
from kvmkit.bridge.picture import bridged
from kvmkit.bridge.recipe import Recipe
from kvmkit.bridge.sealed import seal
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.errors import Unsupported

SPEC = BridgeSpec(nic="eth0")
STATIC = BridgeSpec(
    nic="eth0", addressing="static", address="192.168.0.100/24", gateway="192.168.0.1", dns="192.168.0.1"
)
DHCP = BridgeSpec(nic="eth0", addressing="dhcp", stp=True, forward_delay=4)
PROFILES, NETWORKD = "/etc/NetworkManager/system-connections", "/etc/systemd/network"

NM_PORT = """\
[connection]
id=kvmkit-br0-eth0
uuid=17dea63d-bc57-513e-bfa7-2ee736e451b5
type=ethernet
interface-name=eth0
master=br0
slave-type=bridge
stable-id=0d7c2a0e-7c9f-4f0f-9d36-1f4d3f4a0001
autoconnect-priority=1
"""
NM_BRIDGE = """\
[connection]
id=kvmkit-br0
uuid=387f1d57-ae7f-5c7c-9be2-2b913bb6504f
type=bridge
interface-name=br0
autoconnect-priority=1

[bridge]
mac-address=52:54:00:00:01:00
stp=false

[ipv4]
method=manual
dns=192.168.0.1;
address1=192.168.0.100/24
address2=192.168.0.101/24
gateway=192.168.0.1
route1=10.9.0.0/16,192.168.0.2,50
route-metric=42

[ipv6]
method=manual
address1=fd00:0:0:1::100/64
gateway=fd00:0:0:1::1
route1=fd00:0:0:9::/64,fd00:0:0:1::2,60
route-metric=100
addr-gen-mode=default-or-eui64
"""
NETWORKD_NETDEV = """\
# Written by kvmkit: eth0 is in bridge br0. Without this file it is not.
[NetDev]
Name=br0
Kind=bridge
MACAddress=52:54:00:00:01:00

[Bridge]
STP=no
"""
NETWORKD_BRIDGE = """\
# Written by kvmkit: eth0 is in bridge br0. Without this file it is not.
[Match]
Name=br0

[Network]
Address=192.168.0.100/24
Address=fd00:0:0:1::100/64
DNS=192.168.0.1
IPv6AcceptRA=no

[Address]
Address=192.168.0.101/24

[Route]
Gateway=192.168.0.1
Metric=42

[Route]
Gateway=fd00:0:0:1::1

[Route]
Destination=10.9.0.0/16
Gateway=192.168.0.2
Metric=50
"""
NETPLAN = """\
network:
  version: 2
  renderer: networkd
  ethernets:
    eth0: {}
  bridges:
    br0:
      interfaces:
        - eth0
      macaddress: 52:54:00:00:01:00
      parameters:
        stp: false
        forward-delay: 0
      addresses:
        - 192.168.0.100/24
      routes:
        - to: default
          via: 192.168.0.1
      nameservers:
        addresses:
          - 192.168.0.1
"""

Read = Callable[[str], Network]


def claiming(network: Network, **settings: str) -> Network:
    """Give a host whose owner of eth0 says other things of it."""
    claims = tuple(
        replace(claim, settings={**claim.settings, **settings}) if claim.nic == "eth0" else claim
        for claim in network.claims
    )
    return replace(network, claims=claims)


def profiles_of(recipe: Recipe) -> list[str]:
    """Give the profiles of port and bridge that are tried."""
    return [text for path, text in recipe.trial_files.items() if path.endswith(".nmconnection")]


def test_networkmanagers_profile_becomes_two(read_capture: Read) -> None:
    recipe = networkmanager.bridge(read_capture("networkmanager"), SPEC)

    port, bridge = (f"{PROFILES}/kvmkit-br0{name}.nmconnection" for name in ("-eth0", ""))
    assert recipe.keep_files == {port: NM_PORT, bridge: NM_BRIDGE}
    tried = [text.replace("autoconnect=false", "autoconnect-priority=1") for text in profiles_of(recipe)]
    assert tried == [NM_PORT, NM_BRIDGE]


def test_networkmanager_loads_no_profile_that_others_may_read(read_capture: Read) -> None:
    recipe = networkmanager.bridge(read_capture("networkmanager"), SPEC)

    tried = [path for path in recipe.trial_files if path.endswith(".nmconnection")]
    assert recipe.apply[0] == ("chmod", "600", *tried)
    assert recipe.keep[0] == ("chmod", "600", *recipe.keep_files)


def test_networkmanager_goes_back_to_the_profile_that_was(read_capture: Read) -> None:
    before = read_capture("networkmanager")
    lan = before.claims_on("eth0")[0].settings["connection.uuid"]

    recipe = networkmanager.bridge(before, SPEC)

    assert recipe.restore[0] == ("nmcli", "--wait", "10", "connection", "up", "uuid", lan, "ifname", "eth0")
    # Planned before there is a bridge, or from the host as it is with it: the same.
    planned = networkmanager.unbridge(bridged(before, SPEC), "br0")
    found = networkmanager.unbridge(read_capture("networkmanager-bridged"), "br0")
    assert lan in planned.apply[0]
    assert (planned.apply, planned.keep, planned.keep_files) == (found.apply, found.keep, found.keep_files)


def test_networkmanagers_highest_priority_stays_the_highest(read_capture: Read) -> None:
    settings = {"connection.autoconnect-priority": "999"}

    recipe = networkmanager.bridge(claiming(read_capture("networkmanager"), **settings), SPEC)

    texts = list(recipe.keep_files.values())
    assert texts
    assert [text for text in texts if "autoconnect-priority=999\n" not in (text or "")] == []


def test_what_networkmanager_says_of_the_card_stays_with_the_card(read_capture: Read) -> None:
    settings = {"802-3-ethernet.mtu": "9000", "connection.zone": "work", "ipv4.may-fail": "no"}

    network = claiming(read_capture("networkmanager"), **settings)
    port, bridge = profiles_of(networkmanager.bridge(network, SPEC))

    assert "[ethernet]\nmtu=9000\n" in port
    assert "mtu" not in bridge
    assert "zone=work\n" in bridge
    assert "may-fail=false\n" in bridge


def test_what_networkmanager_sets_of_the_hardware_goes_to_the_port(read_capture: Read) -> None:
    settings = {"ethtool.feature-tso": "off", "ethtool.ring-rx": "512", "link.tx-queue-length": "99"}

    network = claiming(
        read_capture("networkmanager"), **settings, **{"sriov.total-vfs": "0", "tc.qdiscs": ""}
    )
    port, bridge = profiles_of(networkmanager.bridge(network, SPEC))

    assert "[ethtool]\nfeature-tso=false\nring-rx=512\n" in port
    assert "[link]\ntx-queue-length=99\n" in port
    assert "ethtool" not in bridge


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sriov.total-vfs", "2"),
        ("tc.qdiscs", "root fq_codel"),
        ("ethtool.fec-mode", "rs"),
        ("dcb.app-fip-mode", "x"),
    ],
)
def test_what_networkmanagers_port_would_lose_is_refused(read_capture: Read, name: str, value: str) -> None:
    with pytest.raises(Unsupported, match=name):
        networkmanager.bridge(claiming(read_capture("networkmanager"), **{name: value}), SPEC)


def test_networkmanager_without_a_profile(read_capture: Read) -> None:
    with pytest.raises(Unsupported, match="nmcli device connect eth1"):
        networkmanager.bridge(read_capture("networkmanager"), BridgeSpec(nic="eth1"))


def test_networkds_file_becomes_three(read_capture: Read) -> None:
    recipe = networkd.bridge(read_capture("networkd"), SPEC)

    assert recipe.keep_files[f"{NETWORKD}/0-kvmkit-br0.netdev"] == NETWORKD_NETDEV
    assert recipe.keep_files[f"{NETWORKD}/0-kvmkit-br0.network"] == NETWORKD_BRIDGE
    assert "[Network]\nBridge=br0\n" in (recipe.keep_files[f"{NETWORKD}/0-kvmkit-eth0.network"] or "")
    assert list(recipe.trial_files.values()) == list(recipe.keep_files.values())


def test_networkd_goes_back_by_files_of_higher_rank(read_capture: Read) -> None:
    before = read_capture("networkd")

    planned = networkd.unbridge(bridged(before, SPEC), "br0")

    assert sorted([*planned.trial_files, *planned.keep_files]) == [
        *sorted(planned.keep_files),
        *sorted(planned.trial_files),
    ]
    assert max(path.rpartition("/")[2] for path in planned.trial_files) < min(
        path.rpartition("/")[2] for path in planned.keep_files
    )
    assert planned.trial_files == networkd.unbridge(read_capture("networkd-bridged"), "br0").trial_files


def test_networkds_dhcp_client_id_stays(read_capture: Read) -> None:
    network = read_capture("networkd-dhcp")
    client = network.claims_on("eth0")[0].settings["lease.CLIENTID"]

    files = networkd.bridge(network, SPEC).keep_files

    # RFC 4361: 255, then the IAID.
    assert f"[DHCPv4]\nIAID={int(client[2:10], 16)}\n" in (files[f"{NETWORKD}/0-kvmkit-br0.network"] or "")


def test_networkd_refuses_a_file_that_comes_before_its_own(read_capture: Read) -> None:
    network = read_capture("networkd")
    files = {"/etc/systemd/network/+lan.network": "[Match]\nName=eth0\n[Network]\nDHCP=yes\n"}
    claims = (replace(network.claims_on("eth0")[0], files=tuple(files)),)

    with pytest.raises(Unsupported, match="give it another name"):
        networkd.bridge(replace(network, files=files, claims=claims), SPEC)


def test_netplans_definition_becomes_the_bridges(read_capture: Read) -> None:
    recipe = netplan.bridge(read_capture("netplan-networkd"), SPEC)

    assert recipe.keep_files == {"/etc/netplan/01-lan.yaml": NETPLAN}
    assert recipe.trial_files == {"/run/netplan/01-lan.yaml": NETPLAN}


def test_netplans_files_come_back_as_they_were(read_capture: Read) -> None:
    before = read_capture("netplan-networkd")

    recipe = netplan.unbridge(bridged(before, SPEC), "br0")

    path = "/etc/netplan/01-lan.yaml"
    assert recipe.keep_files == {path: before.files[path]}


def test_netplan_tells_networkmanager_the_metric_that_it_has(read_capture: Read) -> None:
    text = netplan.bridge(read_capture("netplan-networkmanager"), SPEC).keep_files["/etc/netplan/01-lan.yaml"]

    assert "networkmanager:\n        passthrough:\n          ipv4.route-metric: 100\n" in (text or "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("network: {wifis: {wlan0: {}}}", "netplan get"),
        (
            "network:\n  ethernets:\n    eth0: {}\n  wifis:\n    w: {access-points: {x: {\n password: y}}}",
            "password",
        ),
        ("network: {ethernets: {eth0: {match: {name: e*}}}}", "may match several cards"),
        ("network: {ethernets: {eth0: {networkmanager: {uuid: x}}}}", "written by NetworkManager"),
        ("network: {ethernets: {eth0: {}}, tunnels: {wg0: {key: abc}}}", "password"),
        ("network: {}\n---\nnetwork: {ethernets: {eth0: {}}}", "01-lan.yaml is not one document .* line 2"),
        ("network: {ethernets: {eth0: &a {x: *a}}}", "01-lan.yaml is not one document .* line 1"),
        (
            "a: &a [x]\nb: &b [*a, *a]\nnetwork: {ethernets: {eth0: {}}}\n",
            "aliases are not supported in line 2",
        ),
        ("network:\n\tethernets:\n", "01-lan.yaml is not one document .* line 2"),
    ],
)
def test_netplan_refuses_what_it_cannot_take_over(read_capture: Read, text: str, reason: str) -> None:
    path = "/etc/netplan/01-lan.yaml"
    network = replace(read_capture("netplan-networkd"), files={path: seal(path, text)})

    with pytest.raises(Unsupported, match=reason):
        netplan.bridge(network, SPEC)


def test_a_profile_that_networkmanager_itself_wrote_for_netplan(read_capture: Read) -> None:
    names = {"connection.id": "Wired connection 1", "connection.uuid": "ab-1"}
    network = claiming(read_capture("netplan-networkmanager"), **names)
    text = "network: {ethernets: {NM-ab-1: {renderer: NetworkManager, networkmanager: {uuid: ab-1}}}}"
    network = replace(network, files={"/etc/netplan/90-NM-ab-1.yaml": text})

    with pytest.raises(Unsupported, match=r"NM-ab-1 .* was written by NetworkManager"):
        netplan.bridge(network, SPEC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{ethernets: {eth0: {renderer: networkd}}, renderer: NetworkManager}", True),
        ("{ethernets: {renderer: networkd, eth0: {}}, renderer: NetworkManager}", True),
        ("{ethernets: {eth0: {}}, bridges: {renderer: NetworkManager}}", True),
        ("{ethernets: {eth0: {renderer: networkd}}}", False),
    ],
)
def test_netplans_bridge_has_its_cards_renderer(read_capture: Read, text: str, said: bool) -> None:
    path = "/etc/netplan/01-lan.yaml"
    network = replace(read_capture("netplan-networkd"), files={path: f"network: {text}"})

    whole = load(str(netplan.bridge(network, SPEC).keep_files[path]))

    assert ("renderer" in whole["bridges"]["br0"]) is said
    assert whole["bridges"]["br0"].get("renderer", "networkd") == "networkd"


def test_netplan_merges_files_as_netplan_does(read_capture: Read) -> None:
    files = {
        "/etc/netplan/10-a.yaml": "# a\nnetwork: {ethernets: {eth0: {addresses: [192.168.0.100/24]}, e: {}}}",
        "/etc/netplan/20-b.yaml": "network: {ethernets: {eth0: {addresses: [192.168.0.101/24], mtu: 1400}}}",
        "/lib/netplan/20-b.yaml": "network: {ethernets: {eth0: {addresses: [10.0.0.1/8]}}}",
    }

    found = netplan.bridge(replace(read_capture("netplan-networkd"), files=files), SPEC).trial_files

    assert found["/run/netplan/10-a.yaml"] == "# a\nnetwork:\n  ethernets:\n    e: {}\n"
    merged = found["/run/netplan/20-b.yaml"]
    assert "      addresses:\n        - 192.168.0.100/24\n        - 192.168.0.101/24\n" in merged
    assert "  ethernets:\n    eth0:\n      mtu: 1400\n" in merged
    assert "10.0.0.1" not in merged


@pytest.mark.parametrize(
    ("backend", "capture", "words"),
    [
        (
            networkmanager,
            "networkmanager-dhcp",
            ["method=manual", "address1=192.168.0.100/24", "dns=192.168.0.1;"],
        ),
        (networkd, "networkd-dhcp", ["Address=192.168.0.100/24", "Gateway=192.168.0.1", "DHCP=no"]),
        (netplan, "netplan-networkd", ["- 192.168.0.100/24", "via: 192.168.0.1"]),
    ],
)
def test_a_static_address(read_capture: Read, backend: Any, capture: str, words: list[str]) -> None:
    text = "\n".join(backend.bridge(read_capture(capture), STATIC).keep_files.values())

    for word in words:
        assert text.count(word) == 1
    assert "IAID" not in text


@pytest.mark.parametrize(
    ("backend", "capture", "words"),
    [
        (networkmanager, "networkmanager", ["method=auto", "stp=true", "forward-delay=4"]),
        (networkd, "networkd", ["DHCP=ipv4", "STP=yes", "ForwardDelaySec=4"]),
        (netplan, "netplan-networkd", ["dhcp4: true", "stp: true", "forward-delay: 4"]),
    ],
)
def test_dhcp_instead(read_capture: Read, backend: Any, capture: str, words: list[str]) -> None:
    text = "\n".join(backend.bridge(read_capture(capture), DHCP).keep_files.values())

    for word in words:
        assert text.count(word) == 1
    assert "192.168.0.100" not in text
    assert "192.168.0.2" not in text
