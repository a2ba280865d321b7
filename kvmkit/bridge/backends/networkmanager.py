"""NetworkManager: profiles for the bridge and its port, in /run until they are confirmed.

The profile that the card has now stays as it is, and NetworkManager falls back on it: those of the bridge are
only preferred. NetworkManager's own checkpoints are not used: they die with it, and what was tried stays.
"""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Iterable, Iterator, Mapping

from kvmkit.bridge.backends.kernel import Argv, put_back_bridge, put_back_nic, wait_until_up, waiting
from kvmkit.bridge.backends.keyfile import UNSET, keyfile, section
from kvmkit.bridge.facts import Network
from kvmkit.bridge.picture import is_near, uses_dhcp
from kvmkit.bridge.recipe import Recipe
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.errors import Unsupported

__all__ = ["bridge", "unbridge"]

TRIED, KEPT = "/run/NetworkManager/system-connections", "/etc/NetworkManager/system-connections"
DEVICES = "/run/NetworkManager/devices"
"""Where NetworkManager keeps, by index, which profile a link has, for its own restart."""
NAMES = uuid.UUID("4c1dd6a1-0b0e-5c0b-8d3a-6b766d6b6974")
CARRIED = ("zone", "mdns", "llmnr", "dns-over-tls")
"""What a profile says of the whole connection and goes with the addresses."""
OF_CARD = ("ethtool", "link")
"""Settings of a card's hardware, which go to the port."""
REFUSED = ("sriov", "tc", "dcb")
"""Settings of a card that kvmkit does not write, and does not lose without a word."""
IDLE = (*UNSET, "0", "preserve")
"""How their properties say nothing."""
HIGHEST = 999
"""Of connection.autoconnect-priority."""


def bridge(network: Network, spec: BridgeSpec) -> Recipe:
    """Make the card's connection one of a bridge, with the settings that its profile has.

    That profile is only read: a reboot in the trial begins with it, and so does NetworkManager should the
    bridge's profiles ever fail.

    Raises
    ------
    Unsupported
        NetworkManager has no profile for the card, or one with settings that the port would not have.
    """
    _refuse(_settings(network, spec.nic), spec.nic)
    profiles = _Profiles(network, spec.nic, spec.bridge)
    tried, kept = profiles.files(network, spec, TRIED), profiles.files(network, spec, KEPT)
    return Recipe(
        owner="NetworkManager",
        trial_files=tried | waiting(),
        # It gives the bridge address and routes before its port.
        apply=(*_load(tried), _up(30, profiles.port, spec.nic), wait_until_up(spec.bridge)),
        restore=(
            _up(10, profiles.old, spec.nic),
            *profiles.forget(),
            *put_back_nic(network, spec.nic, spec.bridge, alone=True),
            *profiles.remind(network, spec.nic),
        ),
        keep_files=dict(kept),
        keep=_load(kept),
    )


def unbridge(network: Network, bridge: str) -> Recipe:
    """Go back to the profile that the card had before, and remove those of the bridge.

    Raises
    ------
    Unsupported
        The bridge is not one that kvmkit has made.
    """
    (nic,) = network.ports_of(bridge)
    profiles = _Profiles(network, nic, bridge)
    kept = [f"{KEPT}/{name}.nmconnection" for name in profiles.names]
    return Recipe(
        owner="NetworkManager",
        apply=(
            _up(10, profiles.old, nic),
            ("nmcli", "connection", "down", "uuid", profiles.bridge),
        ),
        restore=(
            # Should they have been removed, and put back.
            *_load(kept),
            _up(10, profiles.port, nic),
            *put_back_bridge(network, nic, bridge, alone=True),
        ),
        keep_files=dict.fromkeys(kept),
        keep=profiles.forget(),
    )


class _Profiles:
    """The profiles of a card: the one that it has or had for itself, and those of the bridge.

    Attributes
    ----------
    names
        Of the port's and the bridge's profile.
    old, port, bridge
        UUIDs.
    """

    def __init__(self, network: Network, nic: str, bridge: str) -> None:
        self.names = (f"kvmkit-{bridge}-{nic}", f"kvmkit-{bridge}")
        own = self._card = _settings(network, nic)
        # A picture of what will be has the claims of what is.
        self._made = own["connection.id"] == self.names[0]
        if not self._made and own.get("connection.master"):
            raise Unsupported(
                f"bridge {bridge} was not made by kvmkit: NetworkManager's profile of {nic} is "
                f"{own['connection.id']}; take it away with nmcli"
            )
        self._addressed = _settings(network, bridge) if self._made else own
        self.old = own["connection.stable-id"] if self._made else own["connection.uuid"]
        # The same for the same profile, so that files which are given back fit what is in memory.
        self.port, self.bridge = (str(uuid.uuid5(NAMES, f"{name} {self.old}")) for name in self.names)

    def files(self, network: Network, spec: BridgeSpec, folder: str) -> dict[str, str]:
        """Write the profiles of port and bridge."""
        # In the trial nothing is to bring them up by itself.
        start = self._preferred() if folder == KEPT else {"autoconnect": "false"}
        port = {
            "connection": {
                "id": self.names[0],
                "uuid": self.port,
                "type": "ethernet",
                "interface-name": spec.nic,
                "master": spec.bridge,
                "slave-type": "bridge",
                # Of no other use to a port: it says what to go back to.
                "stable-id": self.old,
                **start,
            },
            "ethernet": section(self._card, "802-3-ethernet"),
            **{setting: section(self._card, setting) for setting in OF_CARD},
        }
        bridge = {
            "connection": {
                "id": self.names[1],
                "uuid": self.bridge,
                "type": "bridge",
                "interface-name": spec.bridge,
                **{
                    name: value
                    for name, value in section(self._addressed, "connection").items()
                    if name in CARRIED
                },
                **start,
            },
            "bridge": _bridge(network, spec),
            **_addressing(network, spec, self._addressed),
        }
        contents = (keyfile(port), keyfile(bridge))
        return {
            f"{folder}/{name}.nmconnection": text for name, text in zip(self.names, contents, strict=True)
        }

    def forget(self) -> tuple[Argv, ...]:
        """Have NetworkManager forget the profiles of port and bridge, whose files are gone."""
        return tuple(("nmcli", "connection", "delete", "uuid", name) for name in (self.port, self.bridge))

    def remind(self, network: Network, nic: str) -> tuple[Argv, ...]:
        """Tell a NetworkManager that is dead which profile the card has, for when it starts.

        It would else take the card for one that somebody else configures.
        """
        state = f"{DEVICES}/{network.known(nic).index}"
        return (("sed", "-i", f"s/^connection-uuid=.*/connection-uuid={self.old}/", state),)

    def _preferred(self) -> dict[str, str]:
        priority = int(self._addressed.get("connection.autoconnect-priority") or 0)
        return {"autoconnect-priority": str(min(priority + (not self._made), HIGHEST))}


def _refuse(settings: Mapping[str, str], nic: str) -> None:
    lost = [
        name
        for name, value in settings.items()
        if (name.partition(".")[0] in REFUSED and value not in IDLE)
        # A name, such as that of an error correction, is a number in the file.
        or (name.startswith("ethtool.") and value not in (*UNSET, "on", "off") and not value.isdigit())
    ]
    if lost:
        raise Unsupported(
            f"NetworkManager's profile of {nic} sets {', '.join(lost)}, which a bridge would lose: "
            "make the bridge by nmcli, or take them out of the profile"
        )


def _settings(network: Network, name: str) -> Mapping[str, str]:
    for claim in network.claims_on(name):
        if claim.owner == "NetworkManager" and "connection.uuid" in claim.settings:
            return claim.settings
    raise Unsupported(f"NetworkManager has no active profile of {name}: nmcli device connect {name}")


def _load(paths: Iterable[str]) -> tuple[Argv, ...]:
    # It takes no profile that others may read.
    return (("chmod", "600", *paths), ("nmcli", "connection", "load", *paths))


def _up(seconds: int, profile: str, nic: str) -> Argv:
    return ("nmcli", "--wait", str(seconds), "connection", "up", "uuid", profile, "ifname", nic)


def _bridge(network: Network, spec: BridgeSpec) -> dict[str, str]:
    # DHCP knows the host by its MAC address. STP has to be said: left to itself, NetworkManager has it on,
    # and the host is away for half a minute.
    delay = {"forward-delay": str(spec.forward_delay)} if spec.stp else {}
    return {"mac-address": network.known(spec.nic).mac, "stp": "true" if spec.stp else "false", **delay}


def _addressing(network: Network, spec: BridgeSpec, settings: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Give the sections of IPv4 and IPv6: as they are, but for what the spec asks otherwise."""
    changed = dict(settings)
    if spec.addressing == "static":
        changed |= _static(network, spec, settings)
    elif spec.addressing == "dhcp" and settings.get("ipv4.method") != "auto":
        own = ("addresses", "gateway", "routes")
        changed |= {"ipv4.method": "auto", **{f"ipv4.{name}": "" for name in own}}
    metric = ""
    for family in (4, 6):
        # NetworkManager's own idea of a bridge's metric is 425, behind every card.
        near = network.near_metric(spec.nic, family) or network.near_metric(spec.bridge, family)
        metric = near or metric
        changed[f"ipv{family}.route-metric"] = metric
    return {name: section(changed, name) for name in ("ipv4", "ipv6")}


def _static(network: Network, spec: BridgeSpec, settings: Mapping[str, str]) -> dict[str, str]:
    own = ipaddress.IPv4Interface(spec.address)
    servers, search = settings.get("ipv4.dns", ""), settings.get("ipv4.dns-search", "")
    if uses_dhcp(network, spec.nic):
        servers = ",".join(server for server in network.dns.servers if ":" not in server)
        search = ",".join(network.dns.search)
    return {
        "ipv4.method": "manual",
        "ipv4.addresses": spec.address,
        "ipv4.gateway": spec.gateway,
        "ipv4.routes": ", ".join(_reachable(settings.get("ipv4.routes", ""), own)),
        "ipv4.dns": ",".join(spec.servers) or servers,
        "ipv4.dns-search": search,
    }


def _reachable(routes: str, own: ipaddress.IPv4Interface) -> Iterator[str]:
    """Give the routes, ``10.9.0.0/16 192.168.0.2 50``, whose gateway is near the new address, too."""
    for route in filter(None, routes.split(", ")):
        words = route.split()
        if words[1:] and is_near(words[1], own.network):
            yield route
