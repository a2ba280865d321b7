"""What a host offers for the fields of a spec that name something on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kvmkit.bridge.frames import links
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.check.facts import read_facts
from kvmkit.host import Host
from kvmkit.spec import Spec
from kvmkit.vm.describe import known_systems
from kvmkit.vm.facts import networks, pools, volumes
from kvmkit.vm.spec import VMSpec

__all__ = ["Choice", "choices"]


@dataclass(frozen=True)
class Choice:
    """Names that can be chosen, and those that the host has and that do not do, with the reason."""

    names: tuple[str, ...]
    unfit: Mapping[str, str] = field(default_factory=dict)


def choices(host: Host, spec_class: type[Spec]) -> dict[str, Choice]:
    """Read from the host what can be chosen, field by field."""
    return {name: read(host) for name, read in _READERS.get(spec_class, {}).items()}


def _cards(host: Host) -> Choice:
    frame = links(host)
    why_not = frame.loc[frame["why_not"] != "", "why_not"]
    return Choice(tuple(frame.index[frame["why_not"] == ""]), dict(why_not))


def _active(frame: Any) -> Choice:
    off = frame.index[~frame["active"]]
    return Choice(tuple(frame.index[frame["active"]]), dict.fromkeys(off, "it is there, but not active"))


def _volumes(host: Host, *, iso: bool) -> Choice:
    frame = volumes(host)
    # libvirt calls an ISO "iso" or, where it did not look into it, "raw".
    is_iso = (frame["format"] == "iso") | frame.index.str.lower().str.endswith(".iso")
    return _sorted(frame.index[is_iso == iso])


def _sorted(names: Iterable[str]) -> Choice:
    return Choice(tuple(sorted(names)))


_READERS: dict[type[Spec], dict[str, Callable[[Host], Choice]]] = {
    BridgeSpec: {"nic": _cards},
    VMSpec: {
        "image": lambda host: _volumes(host, iso=False),
        "cdrom": lambda host: _volumes(host, iso=True),
        "pool": lambda host: _active(pools(host)),
        "network": lambda host: _active(networks(host)),
        "bridge": lambda host: _sorted(read_facts(host).bridges),
        "os": lambda host: Choice(("detect", *known_systems(host))),
    },
}
