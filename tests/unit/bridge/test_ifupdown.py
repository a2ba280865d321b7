"""What ifupdown is told: /etc/network/interfaces, the bridge in the card's place and all else as it was."""

from collections.abc import Callable
from dataclasses import replace

import pytest

import kvmkit as kk
from kvmkit.bridge.backends import ifupdown
from kvmkit.bridge.facts import Network
from kvmkit.bridge.picture import bridged

PATH = "/etc/network/interfaces"
Read = Callable[[str], Network]

INSTALLED = """\
source /etc/network/interfaces.d/*

# The loopback network interface
auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug eth0 eth1
iface eth0 inet static
	address 192.168.0.100/24
	gateway 192.168.0.1
	# by the VPN's gateway
	up ip route add 10.9.0.0/16 via 192.168.0.2 dev eth0
	up touch /run/eth0.up

iface eth0 inet6 static
	address fd00::100/64

iface eth0.5 inet static
	address 10.5.0.1/24
"""
BRIDGED = """\
source /etc/network/interfaces.d/*

# The loopback network interface
auto lo
iface lo inet loopback

# The primary network interface
auto br0
allow-hotplug eth1
iface eth0 inet manual

iface br0 inet static
    bridge_ports eth0
    hwaddress 52:54:00:00:01:00
    bridge_stp off
    bridge_fd 0
    bridge_maxwait 0
	address 192.168.0.100/24
	gateway 192.168.0.1
	# by the VPN's gateway
	up ip route add 10.9.0.0/16 via 192.168.0.2 dev br0
	up touch /run/eth0.up

iface br0 inet6 static
	address fd00::100/64

iface eth0.5 inet static
	address 10.5.0.1/24
"""


@pytest.fixture
def network(read_capture: Read) -> Network:
    return read_capture("ifupdown")


def with_text(network: Network, text: str) -> Network:
    return replace(network, files={PATH: text})


def kept(network: Network, **spec: object) -> str:
    recipe = ifupdown.bridge(network, kk.BridgeSpec.model_validate({"nic": "eth0"} | spec))
    text = recipe.keep_files[PATH]
    assert text is not None
    return text


def test_the_bridge_takes_the_cards_place_and_all_else_stays(network: Network) -> None:
    assert kept(with_text(network, INSTALLED)) == BRIDGED


def test_stp_is_told_and_waited_for(network: Network) -> None:
    lines = kept(network, stp=True, forward_delay=4).splitlines()

    assert "    bridge_stp on" in lines
    assert "    bridge_fd 4" in lines
    assert not [line for line in lines if "maxwait" in line]


def test_a_static_address_replaces_all_of_ipv4_and_nothing_of_ipv6(network: Network) -> None:
    address = {"addressing": "static", "address": "192.168.0.200/24", "gateway": "192.168.0.254"}
    text = kept(with_text(network, INSTALLED), **address, dns="192.168.0.9")

    stanza = text[text.index("iface br0 inet static") : text.index("iface br0 inet6")]
    assert [line.strip() for line in stanza.splitlines() if line.strip()] == [
        "iface br0 inet static",
        "address 192.168.0.200/24",
        "gateway 192.168.0.254",
        "dns-nameservers 192.168.0.9",
        *("bridge_ports eth0", "hwaddress 52:54:00:00:01:00"),
        *("bridge_stp off", "bridge_fd 0", "bridge_maxwait 0"),
        "# by the VPN's gateway",
    ]
    assert "address fd00::100/64" in text


def test_dhcp_takes_the_place_of_a_static_address(network: Network) -> None:
    text = kept(with_text(network, INSTALLED), addressing="dhcp")

    assert "iface br0 inet dhcp\n    bridge_ports eth0\n" in text
    assert "192.168.0.100" not in text


def test_the_trial_is_one_file_in_run_that_includes_nothing(network: Network) -> None:
    recipe = ifupdown.bridge(with_text(network, INSTALLED), kk.BridgeSpec(nic="eth0"))

    # Whether it starts at boot is seen first.
    assert recipe.apply[0][-2:] == (ifupdown.INTERFACES, "br0")
    assert recipe.apply[1:] == (("ifdown", "eth0"), ("ifup", "-i", ifupdown.INTERFACES, "br0"))
    ((path, text),) = recipe.trial_files.items()
    assert path.startswith("/run/")
    assert "source" not in text
    assert "bridge_ports eth0" in text


def test_the_way_back_is_the_managers_and_then_the_kernels(network: Network) -> None:
    restore = ifupdown.bridge(network, kk.BridgeSpec(nic="eth0")).restore

    commands = [argv[0] for argv in restore]
    assert commands.index("ifup") < len(commands) - 1
    assert set(commands[commands.index("ifup") + 1 :]) == {"ip"}
    assert ("ip", "link", "delete", "dev", "br0") in restore


def test_unbridging_gives_the_card_its_stanzas_back(network: Network) -> None:
    after = bridged(network, kk.BridgeSpec(nic="eth0"))
    claims = tuple(replace(claim, nic="br0") for claim in network.claims)

    recipe = ifupdown.unbridge(replace(with_text(after, BRIDGED), claims=claims), "br0")

    found = recipe.keep_files[PATH]
    assert found is not None
    # The list of what is plugged in is not made whole again, nor empty lines taken away: all else is.
    assert [line for line in found.splitlines() if line] == [
        line
        for line in INSTALLED.replace("allow-hotplug eth0 eth1", "auto eth0\nallow-hotplug eth1").splitlines()
        if line
    ]


def test_without_bridge_utils_it_says_what_to_install(network: Network) -> None:
    claims = tuple(replace(claim, settings={}) for claim in network.claims)

    with pytest.raises(kk.Unsupported, match="apt-get install bridge-utils"):
        ifupdown.bridge(replace(network, claims=claims), kk.BridgeSpec(nic="eth0"))


def test_a_card_without_a_stanza_of_its_own_is_left_alone(network: Network) -> None:
    with pytest.raises(kk.Unsupported, match="a pattern or a mapping"):
        ifupdown.bridge(with_text(network, "auto /eth*\niface eth inet dhcp\n"), kk.BridgeSpec(nic="eth0"))


def test_a_mac_address_that_the_card_was_given_is_said_once(network: Network) -> None:
    given = "auto eth0\niface eth0 inet static\n\thwaddress 52:54:00:00:01:00\n\taddress 192.168.0.100/24\n"

    assert kept(with_text(network, given)).count("hwaddress") == 1


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("auto eth0:0\niface eth0:0 inet static\n\taddress 192.168.0.111/24\n", "eth0:0 in .* would keep an"),
        ("iface br0 inet static\n\tbridge_ports eth0\n", "there is an `iface br0` in .* already"),
    ],
)
def test_stanzas_that_would_get_in_the_way(network: Network, more: str, reason: str) -> None:
    with pytest.raises(kk.Unsupported, match=reason):
        ifupdown.bridge(with_text(network, f"{INSTALLED}\n{more}"), kk.BridgeSpec(nic="eth0"))


@pytest.mark.parametrize("start", ["auto /eth*", "allow-hotplug /eth*", "auto /*/1"])
def test_a_card_that_a_pattern_starts_has_a_bridge_that_is_started(network: Network, start: str) -> None:
    text = kept(with_text(network, f"{start}\niface eth0 inet static\n\taddress 192.168.0.100/24\n"))

    assert f"{start}\n" in text
    assert "\nauto br0\niface br0 inet static\n" in text


def test_a_card_that_nobody_starts_at_boot_stays_so(network: Network) -> None:
    claims = tuple(replace(claim, settings={**claim.settings, "start": ""}) for claim in network.claims)
    recipe = ifupdown.bridge(
        replace(with_text(network, "iface eth0 inet dhcp\n"), claims=claims), kk.BridgeSpec(nic="eth0")
    )

    assert "auto" not in str(recipe.keep_files[PATH])
    assert len(recipe.apply) == 2


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("post-up ethtool -s eth0 wol g", ["post-up ethtool -s eth0 wol g"]),
        ("up /sbin/ethtool -K $IFACE tso off", ["up /sbin/ethtool -K eth0 tso off"]),
        ("up ethtool -K ${IFACE} tso off", ["up ethtool -K eth0 tso off"]),
        ("post-up ip link set eth0 mtu 9000", ["post-up ip link set eth0 mtu 9000"]),
        ("post-up ip -4 l set dev $IFACE txqueuelen 9", ["post-up ip -4 l set dev eth0 txqueuelen 9"]),
        ("mtu 9000", ["pre-up ip link set dev eth0 mtu 9000", "mtu 9000"]),
        ("up ip -6 route add default dev eth0", ["up ip -6 route add default dev br0"]),
        ("up iptables -A INPUT -i eth0 -j ACCEPT", ["up iptables -A INPUT -i br0 -j ACCEPT"]),
        ("up echo 1 >/sys/class/net/eth0/threaded", ["up echo 1 >/sys/class/net/eth0/threaded"]),
    ],
)
def test_what_is_said_of_the_hardware_stays_the_cards(
    network: Network, line: str, becomes: list[str]
) -> None:
    text = kept(
        with_text(network, f"auto eth0\niface eth0 inet static\n\taddress 192.168.0.100/24\n\t{line}\n")
    )

    told = [said.strip() for said in text.splitlines()]
    assert told[told.index("address 192.168.0.100/24") + 1 :] == becomes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("auto eth0\niface eth0\n\taddress 10.0.0.2/24\n", "no family or no method"),
        ("auto eth0\niface eth0 inet\n", "no family or no method"),
        (
            "auto eth0\niface eth0 inet dhcp\n\tethernet-wol g\n\toffload-tso off\n",
            "ethernet-wol, offload-tso of",
        ),
    ],
)
def test_what_would_be_lost_is_refused(network: Network, text: str, reason: str) -> None:
    for addressing in ("keep", "dhcp"):
        with pytest.raises(kk.Unsupported, match=reason):
            kept(with_text(network, text), addressing=addressing)


@pytest.mark.parametrize("version", ["ifupdown2:3.0.0", "ifupdown-ng 0.12.1"])
def test_its_namesakes_are_not_taken_for_it(edited: Callable[..., Network], version: str) -> None:
    lines = [f"version {version}", "bridges bridge-utils", "state eth0=eth0", "auto eth0"]
    network = edited("ifupdown", ifupdown=lines)

    with pytest.raises(kk.Unsupported, match=version.partition(" ")[0].partition(":")[0]):
        ifupdown.bridge(network, kk.BridgeSpec(nic="eth0"))


def test_a_comment_with_a_form_feed_stays_a_comment(network: Network) -> None:
    text = f"{INSTALLED}# page 2:\x0c    up touch /run/x\n"
    assert "# page 2:\x0c    up touch" in kept(with_text(network, text))
