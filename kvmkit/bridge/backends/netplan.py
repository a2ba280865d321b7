"""netplan: its YAML is rewritten, and rendered by netplan itself for the daemon behind it.

A file of the same name in /run/netplan takes the place of one in /etc/netplan: that is the trial. ``netplan
try`` is not used: it refuses bridges, and dies with its terminal without putting anything back.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kvmkit.bridge.backends.kernel import Argv, freed, put_back_bridge, put_back_nic, wait_until_up, waiting
from kvmkit.bridge.backends.netplanyaml import claim_of, rewritten
from kvmkit.bridge.backends.networkfile import client_id, render
from kvmkit.bridge.facts import Network
from kvmkit.bridge.recipe import Recipe
from kvmkit.bridge.spec import BridgeSpec

__all__ = ["bridge", "unbridge"]

TRIED = "/run/netplan"
GENERATE = ("netplan", "generate")


def bridge(network: Network, spec: BridgeSpec) -> Recipe:
    """Define the bridge in the card's place.

    Raises
    ------
    Unsupported
        netplan's files say it in a way that cannot be taken over; says which.
    """
    nic, bridge = spec.nic, spec.bridge
    daemon, after = _daemon(network, nic, bridge), rewritten(network, nic, bridge, spec)
    # netplan has no word for it.
    pin = render(client_id(network.claims_on(nic)))
    drop_in = f"systemd/network/10-netplan-{bridge}.network.d"
    tried = {f"/run/{drop_in}/kvmkit.conf": pin} if pin else {}
    kept = {f"/etc/{drop_in}/kvmkit.conf": pin} if pin else {}
    clear = (*((_sweep(f"/run/{drop_in}"),) if pin else ()), _sweep(TRIED))
    return Recipe(
        owner="netplan",
        trial_files={f"{TRIED}/{name}": text for name, text in after.items()} | tried | daemon.files,
        apply=(_private(after), GENERATE, daemon.read, *daemon.make),
        restore=(
            *clear,
            *((_sweep(f"/etc/{drop_in}"),) if pin else ()),
            GENERATE,
            daemon.read,
            *daemon.change,
            *put_back_nic(network, nic, bridge, alone=daemon.waits),
            *daemon.settle,
        ),
        keep_files=kept | {f"/etc/netplan/{name}": text for name, text in after.items()},
        # What networkd has read says the same; reading it again would cut the host off once more.
        keep=(*clear, GENERATE, *((daemon.read,) if daemon.waits else ())),
    )


def unbridge(network: Network, bridge: str) -> Recipe:
    """Define the card as the bridge is.

    Raises
    ------
    Unsupported
        As :func:`bridge`.
    """
    (nic,) = network.ports_of(bridge)
    daemon, after = _daemon(network, nic, bridge), rewritten(network, nic, bridge)
    pinned = [*client_id((*network.claims_on(nic), *network.claims_on(bridge)))]
    drop_in = f"/etc/systemd/network/10-netplan-{bridge}.network.d"
    return Recipe(
        owner="netplan",
        trial_files={f"{TRIED}/{name}": text for name, text in after.items()},
        apply=(_private(after), GENERATE, daemon.read, *daemon.free),
        restore=(
            _sweep(TRIED),
            GENERATE,
            daemon.read,
            *daemon.change,
            *put_back_bridge(network, nic, bridge, alone=daemon.waits),
            *daemon.settle,
        ),
        keep_files={f"/etc/netplan/{name}": text for name, text in after.items()}
        | ({f"{drop_in}/kvmkit.conf": None} if pinned else {}),
        keep=(_sweep(TRIED), GENERATE, daemon.read),
    )


@dataclass(frozen=True)
class _Daemon:
    """Commands for the daemon that netplan has written files for.

    Attributes
    ----------
    read
        Have it read them.
    make, free, change
        Have it, then, make the bridge; take it away; put back what was there before.
    settle
        Have it configure the card where the kernel has been changed behind its back.
    waits
        Whether it has come to its end when those have.
    files
        Trial files that they need.
    """

    read: Argv
    free: tuple[Argv, ...]
    make: tuple[Argv, ...] = ()
    change: tuple[Argv, ...] = ()
    settle: tuple[Argv, ...] = ()
    waits: bool = False
    files: dict[str, str] = field(default_factory=dict)


def _daemon(network: Network, nic: str, bridge: str) -> _Daemon:
    settings = claim_of(network, nic).settings
    if settings["renderer"] != "NetworkManager":
        # networkd changes what it has read of; why it is not told so once more is said in networkd.py.
        settle = ("networkctl", "reconfigure", nic)
        return _Daemon(("networkctl", "reload"), free=freed(nic, bridge), settle=(settle,))
    up = ("nmcli", "--wait", "10", "connection", "up", settings["connection.id"], "ifname", nic)
    return _Daemon(
        ("nmcli", "connection", "reload"),
        # It takes a bridge away whose profile is gone.
        free=(up,),
        # The bridge gets its port last.
        make=(up, wait_until_up(bridge)),
        change=(up,),
        waits=True,
        files=waiting(),
    )


def _sweep(folder: str) -> Argv:
    """Remove a folder if it is there and empty."""
    parent, _, name = folder.rpartition("/")
    return ("find", parent, "-maxdepth", "1", "-name", name, "-type", "d", "-empty", "-delete")


def _private(names: dict[str, str]) -> Argv:
    # netplan warns of files that others may read.
    return ("chmod", "600", *(f"{TRIED}/{name}" for name in names))
