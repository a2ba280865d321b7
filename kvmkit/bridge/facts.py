"""The network of a host, as ``ip`` and its managers tell it: read in one round trip, or from a capture."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from kvmkit.check.facts import Facts

__all__ = ["DNS", "Address", "BridgeSettings", "Claim", "Link", "Network", "Route", "Session", "Way"]


@dataclass(frozen=True)
class Address:
    """One address of a link; ``dynamic`` ones have a lifetime: DHCP or IPv6 autoconfiguration gave them."""

    address: str
    prefix: int
    scope: str = "global"
    dynamic: bool = False
    broadcast: str = ""
    peer: str = ""

    @property
    def family(self) -> int:
        """4 or 6."""
        return ipaddress.ip_address(self.address).version

    @property
    def cidr(self) -> str:
        """As ``ip`` writes it: ``192.168.0.100/24``."""
        return f"{self.address}/{self.prefix}"

    @property
    def announced(self) -> bool:
        """Whether IPv6 autoconfiguration made it from what a router announces."""
        return self.dynamic and self.family == 6


@dataclass(frozen=True)
class BridgeSettings:
    """What makes a link a bridge; ``forward_delay`` in seconds."""

    stp: bool = False
    forward_delay: int = 0


@dataclass(frozen=True)
class Link:
    """A network interface.

    ``kind`` is ip's ``info_kind``: ``""`` for a network card, else ``bridge``, ``bond``, ``vlan``, ``veth`` …
    ``up`` is the UP flag; a bridge without carrier is up, though its operstate says DOWN.
    ``lower`` is the link that a VLAN or macvlan is made on; for a veth it is its other end.
    ``port_state`` is what the bridge it is in says of it: ``forwarding``.
    ``addrgenmode`` is how its link-local address is made, in ip's word: ``eui64``, ``none`` …
    """

    name: str
    index: int
    kind: str = ""
    type: str = "ether"
    mac: str = ""
    mtu: int = 1500
    up: bool = False
    carrier: bool = False
    master: str = ""
    lower: str = ""
    wireless: bool = False
    addresses: tuple[Address, ...] = ()
    bridge: BridgeSettings | None = None
    port_state: str = ""
    addrgenmode: str = ""

    @property
    def global_addresses(self) -> tuple[Address, ...]:
        """The addresses that others know it by: all but link-local and host ones."""
        return tuple(address for address in self.addresses if address.scope not in ("link", "host"))

    @property
    def cidrs(self) -> tuple[str, ...]:
        """Those as ``ip`` writes them."""
        return tuple(address.cidr for address in self.global_addresses)

    @property
    def state(self) -> str:
        """One of up, down, no carrier."""
        return ("up" if self.carrier else "no carrier") if self.up else "down"


@dataclass(frozen=True)
class Route:
    """A route of the main table; ``metric`` is 0 where ``ip`` shows none, ``mtu`` 0 where it is the link's.

    ``kind`` is ip's type (unicast, blackhole …), ``hops`` is how many next hops it has.
    """

    destination: str
    family: int = 4
    gateway: str = ""
    dev: str = ""
    metric: int = 0
    source: str = ""
    scope: str = ""
    protocol: str = ""
    kind: str = "unicast"
    onlink: bool = False
    mtu: int = 0
    hops: int = 1


@dataclass(frozen=True)
class DNS:
    """What the resolver asks: behind systemd-resolved's stub, the servers that it asks in turn."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


@dataclass(frozen=True)
class Session:
    """One's own SSH connection, as sshd tells it (``SSH_CONNECTION``)."""

    client: str
    server: str


@dataclass(frozen=True)
class Way:
    """How the host reaches an address: by which link, and whether it answered a ping or, nearby, ARP.

    ``answers`` is None where it was not asked.
    """

    dev: str = ""
    answers: bool | None = None


@dataclass(frozen=True)
class Claim:
    """Who says that a link is theirs.

    Attributes
    ----------
    owner
        ``NetworkManager``, ``systemd-networkd``, ``netplan``, ``ifupdown``; or one that kvmkit knows and
        leaves alone: ``dhclient``, ``dhcpcd``, ``udhcpc``, ``wicked``, ``connman``, ``network-scripts``.
    nic
        The link.
    settings
        In the owner's words. NetworkManager: ``nmcli connection show`` of the active profile, name to value,
        and ``nmcli device show`` under its ``GENERAL.`` names; empty without a profile. systemd-networkd: the
        state file of the link (``NETWORK_FILE`` …) and its lease, as ``lease.CLIENTID`` …; netplan:
        ``renderer`` and those of the renderer; ifupdown: ``ifquery``'s, joined by newlines where one comes
        twice, ``auto`` or ``hotplug`` as ``start``, and as ``bridges`` the package that makes them for it.
    files
        Paths of the configuration it comes from; what is in them is in :attr:`Network.files`, where it is
        text that a bridge would change.
    """

    owner: str
    nic: str
    settings: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network:
    """The network of a host.

    Attributes
    ----------
    facts
        What the host check knows of the system around: commands, units, firewall, kernel values.
    links, routes, dns, session
        As the kernel, the resolver and sshd tell it; session is None without SSH.
    claims
        Who manages which link.
    files
        Path to text of the managers' configuration: /etc/network/interfaces and what it sources, netplan's
        YAML, networkd's files of the links. What lets somebody in is sealed (:mod:`kvmkit.bridge.sealed`).
    rules
        Policy rules other than the kernel's own three.
    eap
        Links on which 802.1X is used.
    checkpoints
        NetworkManager's checkpoints: somebody is changing the network right now.
    transactions
        kvmkit's own trials on the host that nobody has decided yet.
    machine
        What systemd-detect-virt or the DMI calls the virtual machine or cloud that the host is; empty on
        bare metal.
    zones
        Link to its firewalld zone, where that is not the default one.
    users
        Link to the VMs and networks that libvirt has defined on it, as ``VM web1`` and ``network lan``.
    ways
        The way to each gateway and DNS server, and to the SSH client.
    """

    facts: Facts = field(default_factory=Facts)
    links: tuple[Link, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: DNS = field(default_factory=DNS)
    session: Session | None = None
    claims: tuple[Claim, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    eap: frozenset[str] = frozenset()
    checkpoints: int = 0
    transactions: tuple[str, ...] = ()
    machine: str = ""
    zones: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ways: Mapping[str, Way] = field(default_factory=dict)

    def link(self, name: str) -> Link | None:
        """Find a link by name."""
        return next((link for link in self.links if link.name == name), None)

    def known(self, name: str) -> Link:
        """Give a link that was found before, or drawn."""
        found = self.link(name)
        if found is None:
            raise ValueError(f"no link {name} in that picture")
        return found

    def claims_on(self, nic: str) -> tuple[Claim, ...]:
        """Tell who says that this link is theirs."""
        return tuple(claim for claim in self.claims if claim.nic == nic)

    def routes_on(self, dev: str) -> tuple[Route, ...]:
        """Find the routes that leave by this link."""
        return tuple(route for route in self.routes if route.dev == dev)

    def gateways_on(self, dev: str, *, family: int = 0) -> tuple[str, ...]:
        """Name the gateways of the default routes by this link, of IPv4, IPv6 or both."""
        return tuple(
            route.gateway
            for route in self.routes_on(dev)
            if route.destination == "default" and route.gateway and family in (0, route.family)
        )

    def near_metric(self, dev: str, family: int) -> str:
        """Give the metric of the route to this link's own network; empty if there is no such route."""
        return next(
            (
                str(route.metric)
                for route in self.routes_on(dev)
                if (route.family, route.protocol) == (family, "kernel")
                and not route.destination.startswith("fe80:")
            ),
            "",
        )

    def ports_of(self, bridge: str) -> tuple[str, ...]:
        """Name the links in a bridge."""
        return tuple(link.name for link in self.links if link.master == bridge)
