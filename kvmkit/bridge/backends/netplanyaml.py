"""netplan's YAML (netplan-yaml(5)): a card's definition made into that of a bridge with it, and back."""

from __future__ import annotations

import copy
import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from kvmkit.bridge.facts import Claim, Network
from kvmkit.bridge.picture import bridged, is_near, servers_to_tell, uses_dhcp
from kvmkit.bridge.sealed import has_secret
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.errors import Unsupported

__all__ = ["claim_of", "dump", "load", "rewritten"]

Definitions = dict[str, Any]
"""What is below ``network:`` of one file, or of one link; every scalar is a text, as netplan reads it."""

ADDRESSING = (
    *("dhcp4", "dhcp6", "dhcp4-overrides", "dhcp6-overrides", "dhcp-identifier"),
    *("addresses", "gateway4", "gateway6", "nameservers", "routes", "link-local", "accept-ra"),
    *("ipv6-privacy", "ipv6-address-generation", "ipv6-address-token", "ipv6-mtu"),
    *("optional", "optional-addresses", "critical"),
)
"""What is said of the connection rather than of the card, and so goes to the bridge."""
FOLDERS = ("/run/netplan", "/etc/netplan", "/lib/netplan")
"""A file takes the place of those of its name in later ones."""
NAME = re.compile(r"/10-netplan-(.+)\.network$")


class _Plain(yaml.SafeDumper):
    """Writes texts as they were read: netplan makes no difference between true and "true"."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 (declared so by the base class)

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


class _Loader(yaml.BaseLoader):
    """Makes nothing but texts, lists and mappings, and takes no aliases, as netplan takes none."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not supported", mark)
        return super().compose_node(parent, index)


def load(text: str) -> Definitions:
    """Read a file. To YAML, a MAC address of digits alone is a number to the base of 60.

    >>> load("network: {ethernets: {eth0: {dhcp4: true}}}")
    {'ethernets': {'eth0': {'dhcp4': 'true'}}}
    """
    found = yaml.load(text, _Loader)  # noqa: S506 (it makes nothing that acts)
    network = found.get("network") if isinstance(found, dict) else None
    return network if isinstance(network, dict) else {}


def dump(definitions: Definitions, like: str = "") -> str:
    r"""Write a file with the comment that begins another one; its other comments are lost.

    >>> print(dump({"version": "2"}, like="# Made by hand.\nnetwork: {}\n"), end="")
    # Made by hand.
    network:
      version: 2
    """
    head = re.match(r"(#.*\n)*", like)
    body = yaml.dump({"network": definitions}, Dumper=_Plain, sort_keys=False, width=1000)
    return (head[0] if head else "") + body


def rewritten(network: Network, nic: str, bridge: str, spec: BridgeSpec | None = None) -> dict[str, str]:
    """Give the files, by name, that define the bridge as a spec asks; or without one, the card alone.

    What the files say already, as those of a picture of what is to be do, is given as it is. The one that
    has all of it comes first, so that at no time none has it.

    Raises
    ------
    Unsupported
        They say it in a way that cannot be taken over.
    """
    texts = _texts(network)
    name = _name(network, nic)
    kind, definitions = _defining(texts, name)
    defined = {file for file, found in definitions.items() if bridge in (found.get("bridges") or {})}
    files = {file for file, found in definitions.items() if name in (found.get(kind) or {})} | defined
    if bool(defined) is (spec is not None):
        return {file: texts[file] for file in sorted(files, reverse=True)}
    _refuse(texts, files, name, _merged(definitions, kind, name))
    target = max(files)
    card, whole = _merged(definitions, kind, name), _merged(definitions, "bridges", bridge)
    left = {file: _without(definitions[file], (kind, name), ("bridges", bridge)) for file in files}
    if spec is None:
        link = {**card, **{key: value for key, value in whole.items() if key in ADDRESSING}}
        _define(left[target], kind, name, link)
    else:
        stays = {key: value for key, value in card.items() if key not in ADDRESSING}
        goes = {key: value for key, value in card.items() if key in ADDRESSING}
        _define(left[target], kind, name, stays)
        renderer = _renderer(definitions, claim_of(network, nic).settings["renderer"])
        _define(left[target], "bridges", bridge, renderer | _bridge(network, spec, name, goes))
    return {file: dump(left[file], like=texts[file]) for file in sorted(files, reverse=True)}


def _texts(network: Network) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder in FOLDERS:
        for path, text in network.files.items():
            if str(PurePosixPath(path).parent) == folder:
                found.setdefault(PurePosixPath(path).name, text)
                if folder == FOLDERS[0]:
                    raise Unsupported(
                        f"{path} is in force until the next reboot only: put it into /etc/netplan"
                    )
    return found


def claim_of(network: Network, nic: str) -> Claim:
    """Find what netplan says of a card."""
    return next(claim for claim in network.claims_on(nic) if claim.owner == "netplan")


def _name(network: Network, nic: str) -> str:
    """Give the name by which netplan's files know a card."""
    claim = claim_of(network, nic)
    if found := NAME.search(claim.settings.get("NETWORK_FILE", "")):
        return found[1]
    name = claim.settings.get("connection.id", "")
    if not name.startswith("netplan-"):
        # NetworkManager has written the file, and names it by the profile's UUID.
        return f"NM-{claim.settings.get('connection.uuid', '')}"
    return name.removeprefix("netplan-")


def _defining(texts: Mapping[str, str], name: str) -> tuple[str, dict[str, Definitions]]:
    definitions = {file: _loaded(file, text) for file, text in texts.items()}
    for kind in ("ethernets", "bonds", "vlans"):
        if any(name in (found.get(kind) or {}) for found in definitions.values()):
            return kind, definitions
    raise Unsupported(f"none of {', '.join(texts) or 'no files'} in /etc/netplan defines {name}: netplan get")


def _loaded(file: str, text: str) -> Definitions:
    try:
        return load(text)
    except yaml.MarkedYAMLError as error:
        # Not all that it says, as that quotes the file.
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        reason = f"{error.problem or error.context}{line}"
    except (yaml.YAMLError, RecursionError):
        reason = "it has characters that YAML does not allow, or is too deep"
    raise Unsupported(f"netplan's file {file} is not one document of YAML: {reason}; see `netplan get`")


def _refuse(texts: Mapping[str, str], files: set[str], name: str, card: Definitions) -> None:
    where = f"in /etc/netplan/{max(files)}"
    if any(has_secret(texts[file]) for file in files):
        raise Unsupported(
            f"there is a password {where}, which is not to be copied: give {name} a file of its own"
        )
    if "networkmanager" in card:
        raise Unsupported(
            f"{name} {where} was written by NetworkManager, which would write it again: make it there"
        )
    if "match" in card and "set-name" not in card and "macaddress" not in card["match"]:
        raise Unsupported(f"{name} {where} may match several cards: give this one a definition of its own")
    if "openvswitch" in card or "auth" in card:
        raise Unsupported(f"{name} {where} is Open vSwitch's, or logs in to its switch: a bridge would not")


def _merged(definitions: Mapping[str, Definitions], kind: str, name: str) -> Definitions:
    """Merge the definitions of one link as netplan does: mappings by key, lists joined, else the last."""
    found: Definitions = {}
    for _file, part in sorted(definitions.items()):
        _merge(found, (part.get(kind) or {}).get(name) or {})
    return found


def _merge(into: Definitions, more: Definitions) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif isinstance(value, list) and isinstance(into.get(key), list):
            into[key] += value
        else:
            into[key] = copy.deepcopy(value)


def _without(definitions: Definitions, *links: tuple[str, str]) -> Definitions:
    rest = copy.deepcopy(definitions)
    for kind, name in links:
        if name in (rest.get(kind) or {}):
            del rest[kind][name]
            if not rest[kind]:
                del rest[kind]
    return rest


def _define(definitions: Definitions, kind: str, name: str, link: Definitions) -> None:
    definitions[kind] = {**(definitions.get(kind) or {}), name: link}


def _renderer(definitions: Mapping[str, Definitions], wanted: str) -> Definitions:
    """Name the card's renderer for its bridge, where another one would have that: the port's has to."""
    found = "networkd"
    for _file, part in sorted(definitions.items()):
        found = part.get("renderer", found)
    for _file, part in sorted(definitions.items()):
        found = (part.get("bridges") or {}).get("renderer", found)
    return {} if found == wanted else {"renderer": wanted}


def _bridge(network: Network, spec: BridgeSpec, name: str, goes: Definitions) -> Definitions:
    delay = spec.forward_delay if spec.stp else 0
    found: Definitions = {
        "interfaces": [name],
        # DHCP knows the host by it.
        "macaddress": network.known(spec.nic).mac,
        "parameters": {"stp": "true" if spec.stp else "false", "forward-delay": str(delay)},
        **_addressed(network, spec, goes),
    }
    if claim_of(network, spec.nic).settings["renderer"] == "NetworkManager":
        # It has an idea of its own of a bridge's metric, behind every card, and netplan no word for it.
        metrics = {f"ipv{family}.route-metric": network.near_metric(spec.nic, family) for family in (4, 6)}
        found["networkmanager"] = {"passthrough": {key: value for key, value in metrics.items() if value}}
    return found


def _addressed(network: Network, spec: BridgeSpec, goes: Definitions) -> Definitions:
    """Change addresses as the spec asks."""
    leased = uses_dhcp(network, spec.nic)
    if spec.addressing == "keep" or (spec.addressing == "dhcp" and leased):
        return goes
    own = ipaddress.IPv4Interface(spec.address or "0.0.0.0/32")
    found = {
        key: value
        for key, value in goes.items()
        if key not in ("gateway4", "dhcp4", "dhcp4-overrides", "dhcp-identifier", "addresses", "routes")
    }
    addresses = [item for item in goes.get("addresses", []) if ":" in _text(item)]
    routes = [route for route in goes.get("routes", []) if _stays(route, own.network)]
    if spec.addressing == "dhcp":
        found["dhcp4"] = "true"
    else:
        addresses.insert(0, spec.address)
        routes[:0] = _default(network, spec)
        if servers := servers_to_tell(network, spec):
            found["nameservers"] = {**goes.get("nameservers", {}), "addresses": list(servers)}
    parts: dict[str, Sequence[Any]] = {"addresses": addresses, "routes": routes}
    return {**found, **{key: value for key, value in parts.items() if value}}


def _text(item: str | Mapping[str, Any]) -> str:
    """Give an address, also of one that is a mapping to its label or lifetime."""
    return item if isinstance(item, str) else next(iter(item))


def _stays(route: Mapping[str, str], near: ipaddress.IPv4Network) -> bool:
    to, gateway = route.get("to", ""), route.get("via", "")
    if ":" in to + gateway:
        return True
    return to not in ("default", "0.0.0.0/0") and is_near(gateway, near)


def _default(network: Network, spec: BridgeSpec) -> Iterator[Definitions]:
    for route in bridged(network, spec).routes_on(spec.bridge):
        if (route.destination, route.family) == ("default", 4):
            metric = {"metric": str(route.metric)} if route.metric else {}
            yield {"to": "default", "via": route.gateway, **metric}
