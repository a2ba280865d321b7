"""plan_bridge and plan_unbridge: from a spec and a host's network to the two steps that change it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from kvmkit.bridge import decide
from kvmkit.bridge.backends import ifupdown, iproute2, netplan, networkd, networkmanager
from kvmkit.bridge.compare import Expected, expect
from kvmkit.bridge.draw import draw
from kvmkit.bridge.facts import BridgeSettings, Network
from kvmkit.bridge.notes import notes, notes_back
from kvmkit.bridge.picture import bridged, unbridged, uses_dhcp
from kvmkit.bridge.read import read_network
from kvmkit.bridge.recipe import Recipe
from kvmkit.bridge.sealed import sealed
from kvmkit.bridge.spec import BridgeSpec, least_timeout
from kvmkit.bridge.steps import Change, trial_steps
from kvmkit.check.network import PRIVATE
from kvmkit.drawing import Picture
from kvmkit.errors import Busy, Conflict, InvalidSpec, NotFound, Unsupported, WrongState
from kvmkit.host import Host
from kvmkit.plan import Plan
from kvmkit.prepare.files import diff, fingerprint, look
from kvmkit.prepare.root import as_root

__all__ = ["plan_bridge", "plan_unbridge"]


class Backend(Protocol):
    """What each owner's module has."""

    def bridge(self, network: Network, spec: BridgeSpec) -> Recipe:
        """Say how a bridge is made."""

    def unbridge(self, network: Network, bridge: str) -> Recipe:
        """Say how a bridge is taken away; also of a picture of it, whose claims are those of before."""


BACKENDS: Mapping[str, Backend] = {
    "ifupdown": ifupdown,
    "iproute2": iproute2,
    "NetworkManager": networkmanager,
    "netplan": netplan,
    "systemd-networkd": networkd,
}


def plan_bridge(host: Host, spec: BridgeSpec) -> Plan:
    """Plan to put a network card into a new bridge, addresses and routes with it; nothing is changed.

    The change is tried first, in the host's memory alone. A watchdog on the host puts everything back when
    the time is over, whatever has become of this program, its connection or the network manager. Only what
    has been verified over a fresh connection is confirmed, and only what is confirmed is written to disk.

    Parameters
    ----------
    host
        The host, also one that is reached through that very card.
    spec
        What is asked for.

    Returns
    -------
    Plan
        A trial and its confirmation; empty if the bridge stands as asked for. It shows the network before
        and after, and every command and file; the notes warn, with what mends it.

    Raises
    ------
    InvalidSpec
        Naming each field that does not fit the host, and why: a card that cannot be bridged, a name that is
        taken, a host that is itself a virtual machine, an address that would cut off one's own session.
    Unsupported
        No rights; policy rules or multipath routes; an ``ip`` that is too old.
    Busy
        A change of the host's network is on trial, or NetworkManager holds a checkpoint.
    Conflict
        A file that the plan is made from changes meanwhile, or is a link.

    Examples
    --------
    >>> import kvmkit as kk
    >>> plan = kk.plan_bridge(kk.connect("test:///default"), kk.BridgeSpec(nic="eth0"))
    >>> [step.action for step in plan.steps]
    ['bridge-trial', 'bridge-keep']
    >>> kk.plan_bridge(kk.connect("test:///default"), kk.BridgeSpec(nic="lo"))
    Traceback (most recent call last):
      ...
    kvmkit.errors.InvalidSpec: nic: 'lo': a link of kind loopback; a network card, a bond or a VLAN is needed
    """
    network = _read(host)
    title = f"put {spec.nic} into bridge {spec.bridge}"
    if decide.is_so(network, spec):
        return Plan(uri=host.uri, title=title, steps=())
    problems: dict[str, str] = {}
    for name, text in decide.problems(network, spec):
        problems.setdefault(name, f"{getattr(spec, name)!r}: {text}")
    if problems:
        raise InvalidSpec(problems)
    backend, after = _backend(network, host.uri, spec.nic), bridged(network, spec)
    change = Change(
        recipe=backend.bridge(network, spec),
        # Managers have what was there in their files, which undo gives back.
        back=iproute2.undo(network, spec) if backend is iproute2 else backend.unbridge(after, spec.bridge),
        before=expect(network, spec.nic, gone=spec.bridge),
        after=_expected(network, after, spec),
        timeout=spec.timeout,
    )
    picture = draw(network, after, spec.nic, spec.bridge)
    return _plan(host, title, change, network, picture, notes(network, spec))


def plan_unbridge(host: Host, bridge: str, *, timeout: int = 60) -> Plan:
    """Plan to take a bridge away: its card has its addresses and routes then; nothing is changed.

    It is tried, verified and confirmed as :func:`plan_bridge` does it. Whoever made the bridge by a plan of
    kvmkit's may rather undo that: files are given back byte for byte then.

    Parameters
    ----------
    host
        The host.
    bridge
        The bridge; it has one port, and no VM is on it.
    timeout
        Seconds after which the host puts itself back unless confirmed; 3 to 600.

    Returns
    -------
    Plan
        A trial and its confirmation.

    Raises
    ------
    NotFound
        No such bridge; says which there are.
    WrongState
        VMs are on it, or it has several ports or none.
    InvalidSpec
        A timeout or a name that :class:`BridgeSpec` does not allow.
    Unsupported, Busy
        As :func:`plan_bridge`; also for bridges that libvirt, Docker or the like made for themselves.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.plan_unbridge(kk.connect("test:///default"), "br0")
    Traceback (most recent call last):
      ...
    kvmkit.errors.NotFound: no bridge 'br0' on test:///default; there is: none
    """
    network = _read(host)
    settings, port = _bridge_and_port(network, bridge, host.uri)
    delay = settings.forward_delay if settings.stp else 0
    seconds = max(timeout, least_timeout(settings.stp, delay))
    spec = BridgeSpec(nic=port, bridge=bridge, stp=settings.stp, forward_delay=delay, timeout=seconds)
    after = unbridged(network, bridge, port)
    backend = _backend(network, host.uri, bridge, port)
    recipe = backend.unbridge(network, bridge)
    kept = {path: text for path, text in recipe.keep_files.items() if text is not None}
    change = Change(
        recipe=recipe,
        back=backend.bridge(replace(after, files={**after.files, **kept}), spec),
        before=expect(network, bridge),
        after=expect(after, port, gone=bridge),
        timeout=seconds,
    )
    title, picture = f"take bridge {bridge} away", draw(network, after, port, bridge)
    return _plan(host, title, change, network, picture, notes_back(network, bridge, port))


def _read(host: Host) -> Network:
    network = read_network(host, reach=True)
    if reason := decide.unsupported(network):
        raise Unsupported(f"the network of {host.uri} cannot be changed: {reason}")
    if reason := decide.busy(network):
        raise Busy(f"the network of {host.uri} is not to be touched now: {reason}")
    return network


def _backend(network: Network, uri: str, *links: str) -> Backend:
    owner = decide.owner_of(network, *links)
    if owner not in BACKENDS:
        raise Unsupported(
            f"{owner} configures {links[0]} on {uri}, which kvmkit does not do: use its own tools"
        )
    return BACKENDS[owner]


def _bridge_and_port(network: Network, bridge: str, uri: str) -> tuple[BridgeSettings, str]:
    link = network.link(bridge)
    if link is None or link.bridge is None:
        names = ", ".join(found.name for found in network.links if found.bridge)
        raise NotFound(f"no bridge {bridge!r} on {uri}; there is: {names or 'none'}")
    if bridge.startswith(PRIVATE):
        raise Unsupported(
            f"{bridge} on {uri} was made by libvirt, Docker or the like for a network of its own"
        )
    ports = network.ports_of(bridge)
    taps = [name for name in ports if network.known(name).kind == "tun"]
    if taps:
        raise WrongState(f"VMs are on {bridge} of {uri}, by {', '.join(taps)}: shut them down first")
    if len(ports) != 1:
        raise WrongState(
            f"{bridge} of {uri} has {len(ports)} ports ({', '.join(ports) or 'none'}): only from one does it "
            "follow where its addresses go"
        )
    return link.bridge, ports[0]


def _expected(network: Network, after: Network, spec: BridgeSpec) -> Expected:
    """Expect the picture; where a gateway changes, the new one has to answer, and nobody asks the old one."""
    expected = expect(after, spec.bridge)
    fresh = spec.addressing == "dhcp" and not uses_dhcp(network, spec.nic)
    reach = set(expected.reach)
    if spec.gateway:
        reach = reach.difference(network.gateways_on(spec.nic, family=4)) | {spec.gateway}
    return expected.model_copy(update={"dhcp": fresh, "reach": tuple(sorted(reach))})


def _plan(
    host: Host, title: str, change: Change, network: Network, picture: Picture, told: Iterable[str]
) -> Plan:
    paths = list({**change.recipe.keep_files, **change.back.keep_files})
    found: Mapping[str, bytes | None] = {}
    read: Mapping[str, bytes | None] = {}
    if host.practice:
        texts = network.files
        found = {path: texts[path].encode() if path in texts else None for path in paths}
    else:
        found = look(as_root(host), paths)
        read = look(as_root(host), _read_for(network, (change.before.link, change.after.link)), follow=True)
        if others := decide.forged(network.files, {**read, **found}):
            raise Conflict(
                f"{', '.join(others)} on {host.uri} is not what the host told a moment ago: somebody changes "
                "it, or a program there poses as it; plan again"
            )
    found = {path: sealed(path, content) for path, content in found.items()}
    read = {path: sealed(path, content) for path, content in read.items()}
    prints = {path: fingerprint(path, content) for path, content in {**read, **found}.items()}
    change = change.model_copy(update={"files": prints})
    return Plan(
        uri=host.uri,
        title=title,
        steps=trial_steps(change, title),
        notes=tuple(told),
        shown=_shown(change.recipe, found),
        picture=picture.text,
        svg=picture.svg,
    )


def _read_for(network: Network, links: Iterable[str]) -> list[str]:
    """Name the files that a recipe for these links was made from."""
    claims = [claim for link in links for claim in network.claims_on(link)]
    return sorted({path for claim in claims for path in claim.files if path in network.files})


def _shown(recipe: Recipe, found: Mapping[str, bytes | None]) -> dict[str, str]:
    shown = {f"Trial file {path}": text for path, text in recipe.trial_files.items()}
    shown["Commands of the trial"] = _lines(recipe.apply)
    shown["Commands by which it rolls back"] = _lines(recipe.restore)
    for path, text in recipe.keep_files.items():
        new = None if text is None else text.encode()
        shown[f"Written when confirmed: {path}"] = diff(path, found[path], new)
    if recipe.keep:
        shown["Commands when confirmed"] = _lines(recipe.keep)
    return shown


def _lines(commands: tuple[tuple[str, ...], ...]) -> str:
    return "\n".join(map(shlex.join, commands))
