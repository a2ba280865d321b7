"""NetworkManager: profiles of its own for the bridge and its port, in memory until they are confirmed.

The profile that the card has now stays as it is, and NetworkManager falls back on it: those of the bridge are
only preferred. NetworkManager's own checkpoints are not used: they die with it, and what was tried stays.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from kvmkit.bridge.backends.kernel import Argv, put_back_bridge, put_back_nic
from kvmkit.bridge.facts import Claim, Network
from kvmkit.bridge.picture import uses_dhcp
from kvmkit.bridge.recipe import Recipe
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.errors import Conflict

__all__ = ["bridge", "unbridge"]

FOLDERS = ("/run/NetworkManager/system-connections", "/etc/NetworkManager/system-connections")
UP = ("nmcli", "--wait", "10", "connection", "up")
CARRIED = ("zone", "metered", "mdns", "llmnr", "dns-over-tls")
"""What a profile says of the whole connection and goes with the addresses (nm-settings(5), connection)."""
UNSET = ("", "-1", "0x0", "default", "unknown")
"""How nmcli writes that a property is left to NetworkManager, whatever the property."""
HIGHEST = 999
"""Of connection.autoconnect-priority."""


def bridge(network: Network, spec: BridgeSpec) -> Recipe:
    """Make the card's connection one of a bridge, with the settings that its profile has.

    The profile is only read: on the disk it stays, so that a reboot in the trial begins with it, and so does
    NetworkManager should the bridge's profiles ever fail.
    """
    settings = _settings(network, spec.nic)
    old, port = settings["connection.uuid"], _port(spec.bridge, spec.nic)
    priority = min(int(settings.get("connection.autoconnect-priority") or 0) + 1, HIGHEST)
    preferred = ("connection.autoconnect", "yes", "connection.autoconnect-priority", str(priority))
    return Recipe(
        owner="NetworkManager",
        apply=(
            ("nmcli", "connection", "add", "save", "no", *_bridge_words(network, spec, settings)),
            # A copy: it has the card's MTU, speed and wake-on-LAN.
            ("nmcli", "connection", "clone", "--temporary", old, port),
            ("nmcli", "connection", "modify", "--temporary", port, *_port_words(spec, old)),
            ("nmcli", "--wait", "30", "connection", "up", port, "ifname", spec.nic),
        ),
        restore=(
            (*UP, "uuid", old, "ifname", spec.nic),
            *_forget(spec.bridge, spec.nic),
            *put_back_nic(network, spec.nic, spec.bridge),
        ),
        # This writes a profile to the disk. The port comes first: without the bridge it is of no use, and
        # the card's own profile is taken.
        keep=tuple(("nmcli", "connection", "modify", name, *preferred) for name in (port, _name(spec.bridge))),
    )


def unbridge(network: Network, bridge: str) -> Recipe:
    """Go back to the profile that the card had before, and remove those of the bridge.

    Raises
    ------
    Conflict
        The bridge is not kvmkit's.
    """
    (nic,) = network.ports_of(bridge)
    port = _port(bridge, nic)
    settings = _settings(network, nic)
    if settings["connection.id"] != port:
        raise Conflict(
            f"bridge {bridge} was not made by kvmkit: NetworkManager's profile of {nic} is "
            f"{settings['connection.id']}; take it down with nmcli connection down {bridge}"
        )
    files = [path for name in (nic, bridge) for claim in network.claims_on(name) for path in claim.files]
    return Recipe(
        owner="NetworkManager",
        apply=(
            (*UP, "uuid", settings["connection.stable-id"], "ifname", nic),
            ("nmcli", "connection", "down", _name(bridge)),
        ),
        restore=(
            # Files that were put back.
            ("nmcli", "connection", "reload"),
            (*UP, port, "ifname", nic),
            *put_back_bridge(network, nic, bridge),
        ),
        keep_files=dict.fromkeys(files),
        keep=(("nmcli", "connection", "reload"),),
    )


def _settings(network: Network, nic: str) -> Mapping[str, str]:
    claims = [claim for claim in network.claims_on(nic) if claim.owner == "NetworkManager"]
    if not claims or "connection.uuid" not in claims[0].settings:
        raise Conflict(f"NetworkManager has no active profile for {nic}: nmcli device connect {nic}")
    return claims[0].settings


def _name(bridge: str) -> str:
    return f"kvmkit-{bridge}"


def _port(bridge: str, nic: str) -> str:
    return f"kvmkit-{bridge}-{nic}"
