"""Nobody manages the NIC: plain ``ip`` commands, which a reboot forgets.

All of a change is one ``ip -batch``, one process: no packet is lost while it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kvmkit.bridge.backends.kernel import moving
from kvmkit.bridge.facts import BridgeSettings, Link, Network
from kvmkit.bridge.picture import bridged, unbridged
from kvmkit.bridge.recipe import TRIAL, Recipe
from kvmkit.bridge.spec import BridgeSpec

__all__ = ["bridge", "unbridge", "undo"]

APPLY, RESTORE = f"{TRIAL}/apply", f"{TRIAL}/restore"


def bridge(network: Network, spec: BridgeSpec) -> Recipe:
    """Make the card a port of a new bridge, and move its addresses and routes there."""
    after = bridged(network, spec)
    return _recipe(_forward(after, spec.bridge, spec.nic), _backward(network, spec.bridge, spec.nic))


def undo(network: Network, spec: BridgeSpec) -> Recipe:
    """Take that back: nobody else knows what the card had, where the bridge was given another address."""
    after = bridged(network, spec)
    return _recipe(_backward(network, spec.bridge, spec.nic), _forward(after, spec.bridge, spec.nic))


def unbridge(network: Network, bridge: str) -> Recipe:
    """Move addresses and routes back to the bridge's port, and remove the bridge."""
    (port,) = network.ports_of(bridge)
    after = unbridged(network, bridge, port)
    return _recipe(_backward(after, bridge, port), _forward(network, bridge, port))


def _recipe(apply: Iterable[str], restore: Iterable[str]) -> Recipe:
    return Recipe(
        owner="iproute2",
        trial_files={APPLY: _script(apply), RESTORE: _script(restore)},
        apply=(("ip", "-batch", APPLY),),
        # What is there already or gone already is no reason to stop.
        restore=(("ip", "-force", "-batch", RESTORE),),
        persistent=False,
    )


def _script(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _forward(after: Network, bridge: str, port: str) -> Iterator[str]:
    link = _link(after, bridge)
    settings = link.bridge or BridgeSettings()
    lines = list(moving(after, link))
    yield (
        f"link add name {bridge} address {link.mac} mtu {link.mtu} "
        f"type bridge stp_state {int(settings.stp)} forward_delay {100 * settings.forward_delay}"
    )
    yield f"link set dev {bridge} up"
    # The addresses are on both for a moment, and the port's own routes work while it is in the bridge, too:
    # so that there is a way at any time.
    yield from (line for line in lines if line.startswith("addr "))
    yield f"link set dev {port} up"
    yield f"link set dev {port} master {bridge}"
    yield from (line for line in lines if line.startswith("route "))
    yield f"addr flush dev {port} scope global"


def _backward(after: Network, bridge: str, port: str) -> Iterator[str]:
    lines = list(moving(after, _link(after, port)))
    yield f"link set dev {port} up"
    yield from (line for line in lines if line.startswith("addr "))
    yield f"link set dev {port} nomaster"
    yield from (line for line in lines if line.startswith("route "))
    # It goes last, as the kernel takes its time over it.
    yield f"link delete dev {bridge}"


def _link(network: Network, name: str) -> Link:
    found = network.link(name)
    if found is None:
        raise ValueError(f"no link {name} in that picture")
    return found
