"""Networks to decide on: a plain one, and strategies for many others."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from kvmkit.bridge.facts import DNS, Address, Claim, Link, Network, Route, Session, Way
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.check.facts import Facts
from kvmkit.errors import InvalidSpec

MAC = "52:54:00:00:01:00"
NIC = Link(
    "eth0",
    2,
    mac=MAC,
    up=True,
    carrier=True,
    addresses=(Address("192.168.0.100", 24, broadcast="192.168.0.255"),),
)
LO = Link("lo", 1, type="loopback", up=True, carrier=True, addresses=(Address("127.0.0.1", 8, scope="host"),))
NEAR = Route("192.168.0.0/24", dev="eth0", source="192.168.0.100", scope="link", protocol="kernel")
DEFAULT = Route("default", gateway="192.168.0.1", dev="eth0", protocol="static")


def plain(**changes: Any) -> Network:
    """Give the article's host, which ifupdown configures, reached by SSH from another subnet."""
    network = Network(
        facts=Facts(user="root"),
        links=(LO, NIC),
        routes=(DEFAULT, NEAR),
        dns=DNS(("192.168.0.1",)),
        session=Session("10.0.0.2", "192.168.0.100"),
        claims=(Claim("ifupdown", "eth0"),),
        ways={"192.168.0.1": Way("eth0", True), "10.0.0.2": Way("eth0", True)},
    )
    return replace(network, **changes)


def with_nic(**changes: Any) -> Network:
    """Give that host with another eth0."""
    return plain(links=(LO, replace(NIC, **changes)))


def with_links(*links: Link) -> Network:
    """Give that host with further links."""
    return plain(links=(LO, NIC, *links))


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Draw what is usual three times in four."""
    return st.sampled_from([usual] * 3 * len(others) + list(others))


CARDS = ("eth0", "eth1")
names = st.sampled_from(["eth0", "eth1", "eno1", "br0", "br1", "bond0", "eth0.5", "wlan0", "vnet0", "lo"])
octets = st.integers(2, 250)
addresses = st.builds(
    lambda net, own, prefix, dynamic: Address(f"10.{net}.0.{own}", prefix, dynamic=dynamic),
    octets,
    octets,
    st.sampled_from([8, 16, 24, 30]),
    st.booleans(),
) | st.builds(
    lambda own, scope, dynamic: Address(f"fd00::{own:x}", 64, scope=scope, dynamic=dynamic),
    octets,
    st.sampled_from(["global", "link"]),
    st.booleans(),
)
links = st.builds(
    Link,
    name=names,
    index=st.integers(1, 99),
    kind=mostly("", "bridge", "bond", "vlan", "veth", "tun", "macvtap", "dummy"),
    type=mostly("ether", "loopback", "none"),
    mac=st.just(MAC),
    up=st.booleans(),
    carrier=mostly(True, False),
    master=mostly("", "br0", "bond0"),
    lower=mostly("", "eth0"),
    wireless=mostly(False, True),
    addresses=st.lists(addresses, max_size=3, unique_by=lambda a: a.address).map(tuple),
)
routes = st.builds(
    Route,
    destination=st.sampled_from(["default", "10.8.0.0/16", "fe80::/64", "fd01::/64"]),
    family=st.sampled_from([4, 6]),
    gateway=st.sampled_from(["", "10.5.0.1"]),
    dev=st.sampled_from(CARDS) | names,
    metric=st.sampled_from([0, 100, 1024]),
    protocol=st.sampled_from(["", "kernel", "static", "ra", "dhcp"]),
    hops=mostly(1, 2),
)
claims = st.builds(
    Claim,
    mostly("NetworkManager", "systemd-networkd", "netplan", "ifupdown", "wicked", "dhclient"),
    names,
    mostly({"connection.uuid": "1"}, {"connection.uuid": "1", "ipv4.method": "auto"}, {}),
)
networks = st.builds(
    Network,
    facts=st.builds(Facts, user=mostly("root", "visitor")),
    links=st.lists(links, min_size=1, max_size=5, unique_by=lambda link: link.name).map(tuple),
    routes=st.lists(routes, max_size=4).map(tuple),
    dns=st.builds(DNS, st.sampled_from([(), ("10.5.0.1",)])),
    session=st.none() | st.just(Session("10.7.0.1", "10.5.0.9")),
    claims=st.lists(claims, max_size=3).map(tuple),
    rules=mostly((), ("IPv4: priority 100",)),
    eap=mostly(frozenset(), frozenset({"eth1"})),
    checkpoints=mostly(0, 1),
    transactions=mostly((), ("/run/kvmkit/trial/armed",)),
    machine=mostly("", "kvm"),
    ways=st.dictionaries(
        st.sampled_from(["10.5.0.1", "10.7.0.1"]), st.builds(Way, names, st.sampled_from([True, False, None]))
    ),
)


@st.composite
def planned(draw: st.DrawFn) -> tuple[Network, BridgeSpec]:
    """Draw a host and a spec, which speaks of one of its links four times in five."""
    network = draw(networks)
    words: dict[str, Any] = {
        "nic": draw(st.sampled_from([link.name for link in network.links] * 4 + ["none0"])),
        "bridge": draw(st.sampled_from(["lan0", "br1"])),
        "addressing": draw(st.sampled_from(["keep", "dhcp", "static"])),
        "allow_guest": draw(st.booleans()),
    }
    if words["addressing"] == "static":
        words["address"] = draw(st.sampled_from(["10.5.0.9/24", "10.6.0.9/16"]))
        words["gateway"] = draw(
            st.sampled_from(["", words["address"].replace(".9/", ".1/").partition("/")[0]])
        )
    if draw(st.booleans()):
        words |= {"stp": True, "forward_delay": draw(st.integers(2, 15))}
    try:
        return network, BridgeSpec(**words)
    except InvalidSpec:  # a link called as the bridge is to be
        return network, BridgeSpec(**words | {"bridge": "lan0"})
