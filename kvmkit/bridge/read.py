"""Read the network of a host, in one round trip; and parse it, also from a capture."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from kvmkit.bridge.claims import Sections, file_paths, read_claims, read_profiles
from kvmkit.bridge.facts import DNS, Address, BridgeSettings, Link, Network, Route, Session, Way
from kvmkit.bridge.sealed import seal
from kvmkit.check import facts
from kvmkit.errors import KvmkitError, Unsupported
from kvmkit.framing import framed_script, split_sections, understood, with_text
from kvmkit.host import Host
from kvmkit.practice import recorded

__all__ = ["parse_network", "probe_script", "read_network"]

PROBE_SECONDS = 60
AS_ROOT = """
if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then
    exec sudo -n sh -s network "${SSH_CONNECTION-}" "$@"
fi
exec sh -s network "${SSH_CONNECTION-}" "$@"
"""
"""The probe as root where that asks for no password; sudo keeps SSH_CONNECTION from it otherwise."""
DEFAULT_RULES = {("local", 0), ("main", 32766), ("default", 32767)}


def read_network(host: Host, *, reach: bool = False, fresh: bool = False) -> Network:
    """Read the network of a host, in one round trip.

    Parameters
    ----------
    host
        The host. As a user without rights one sees less: no firewall rules, no managers' files.
    reach
        Whether gateways, DNS servers and the SSH client are pinged, once each, which takes a second
        if one does not answer.
    fresh
        Whether over a new connection: what came over it was sent after the network changed.

    Raises
    ------
    HostUnavailable, CommandFailed, CommandTimeout
        If the host cannot be asked.
    Unsupported
        Its ``ip`` is missing or cannot write JSON.
    """
    if host.practice:
        return _practised(host, reach=reach)
    argv = ["sh", "-c", AS_ROOT, "sh", *(["reach"] if reach else [])]
    result = host.run(argv, stdin=probe_script(), timeout=PROBE_SECONDS, fresh=fresh)
    return parse_network(result.stdout, where=host.uri, session=host.is_session)


def _practised(host: Host, *, reach: bool) -> Network:
    """Take what a machine is as recorded, and its network as it is, where this machine allows it one."""
    known = parse_network(recorded("practice-network.txt"), where=host.uri)
    known = replace(known, facts=replace(known.facts, practice=True))
    try:
        sandbox = host.networked()
    except Unsupported:
        return known
    argv = ["sh", "-s", "network", "", *(["reach"] if reach else [])]
    found = parse_network(sandbox.run(argv, stdin=probe_script()).stdout, where=host.uri)
    return replace(
        known,
        links=found.links,
        routes=found.routes,
        dns=found.dns,
        rules=found.rules,
        transactions=found.transactions,
        ways=found.ways,
    )


def probe_script() -> str:
    """Give the script that ``sh -s network SSH_CONNECTION [reach]`` runs; the host check's comes first."""
    return framed_script("check/probe.sh", "bridge/probe.sh")


def parse_network(text: str, *, where: str = "a capture", session: bool = False) -> Network:
    """Make a network of what the probe printed.

    Raises
    ------
    KvmkitError
        If the end is missing, or it is not what the script prints.
    Unsupported
        As :func:`read_network`.
    """
    whole = split_sections(text, where=where)
    sections = with_text(whole)
    if "network end" not in sections:
        raise KvmkitError(f"what {where} tells of its network ends early, after {text[-80:]!r}")
    return understood(where)(_network)(text, whole, sections, where=where, session=session)


def _network(
    text: str, whole: Mapping[str, list[str]], sections: Sections, *, where: str, session: bool
) -> Network:
    ip = partial(_ip, sections, where)
    links = tuple(_links(ip("links"), sections["wireless"]))
    return Network(
        facts=facts.parse(text, where=where, session=session),
        links=links,
        routes=tuple(route for family in (4, 6) for route in _routes(ip(f"routes {family}"), family)),
        dns=_dns(sections),
        session=_session(sections["ssh"]),
        claims=tuple(read_claims(sections, links)),
        files=_files(whole),
        rules=tuple(rule for family in (4, 6) for rule in _rules(ip(f"rules {family}"), family)),
        eap=frozenset(_eap(sections)),
        checkpoints=len(re.findall(r'"/', " ".join(sections["nm checkpoints"]))),
        transactions=tuple(sections["transactions"]),
        machine=_machine(sections["machine"]),
        zones=dict(_zones(sections["zones"])),
        users=_users(sections["users"]),
        ways=dict(map(_way, sections["ways"])),
    )


def _ip(sections: Sections, where: str, name: str) -> list[dict[str, Any]]:
    text = "".join(sections[name])
    if not text and name != "links":
        return []  # ip prints nothing where there is nothing
    try:
        # Some versions put an empty object where a line of theirs has no JSON.
        return [item for item in json.loads(text) if item]
    except ValueError:
        raise Unsupported(
            f"the network of {where} cannot be read: its ip is missing, or has no -json (iproute2 < 4.18)"
        ) from None


def _links(found: list[dict[str, Any]], wireless: list[str]) -> Iterator[Link]:
    for item in found:
        info, flags = item.get("linkinfo", {}), item.get("flags", [])
        data = info.get("info_data", {})
        # In hundredths of a second.
        settings = BridgeSettings(bool(data.get("stp_state")), data.get("forward_delay", 0) // 100)
        port = info.get("info_slave_data", {}) if info.get("info_slave_kind") == "bridge" else {}
        yield Link(
            name=item["ifname"],
            index=item["ifindex"],
            kind=info.get("info_kind", ""),
            type=item.get("link_type", ""),
            mac=item.get("address", ""),
            mtu=item.get("mtu", 0),
            up="UP" in flags,
            carrier="LOWER_UP" in flags,
            master=item.get("master", ""),
            lower=item.get("link") or "",
            wireless=item["ifname"] in wireless,
            addresses=tuple(map(_address, filter(None, item.get("addr_info", [])))),
            bridge=settings if info.get("info_kind") == "bridge" else None,
            port_state=port.get("state", ""),
            addrgenmode=item.get("inet6_addr_gen_mode", ""),
        )


def _address(item: dict[str, Any]) -> Address:
    return Address(
        address=item["local"],
        prefix=item["prefixlen"],
        scope=item.get("scope", ""),
        dynamic=bool(item.get("dynamic")),
        broadcast=item.get("broadcast", ""),
        peer=item.get("address", ""),
    )


def _routes(found: list[dict[str, Any]], family: int) -> Iterator[Route]:
    for item in found:
        yield Route(
            destination=item["dst"],
            family=family,
            gateway=item.get("gateway") or item.get("via", {}).get("host", ""),
            dev=item.get("dev", ""),
            metric=item.get("metric", 0),
            source=item.get("prefsrc", ""),
            scope=item.get("scope", ""),
            protocol=item.get("protocol", ""),
            kind=item.get("type", "unicast"),
            onlink="onlink" in item.get("flags", []),
            mtu=next((m["mtu"] for m in item.get("metrics", []) if "mtu" in m), 0),
            hops=len(item.get("nexthops", [])) or 1,
        )


def _rules(found: list[dict[str, Any]], family: int) -> Iterator[str]:
    for item in found:
        plain = item.get("src") == "all" and not set(item) - {"priority", "src", "table", "protocol"}
        if not (plain and (item.get("table"), item.get("priority")) in DEFAULT_RULES):
            words = " ".join(f"{name} {value}" for name, value in item.items())
            yield f"IPv{family}: {words}"


def _dns(sections: Sections) -> DNS:
    asked = [line.split() for line in sections["resolv.conf"]]
    if ["nameserver", "127.0.0.53"] in asked or ["nameserver", "127.0.0.54"] in asked:
        asked = [line.split() for line in sections["resolved"]]
    search = next((words[1:] for words in reversed(asked) if words[0] in ("search", "domain")), [])
    servers = (words[1] for words in asked if words[0] == "nameserver" and len(words) > 1)
    return DNS(tuple(dict.fromkeys(servers)), tuple(search))


def _session(lines: list[str]) -> Session | None:
    words = lines[0].split() if lines else []
    return Session(words[0], words[2]) if len(words) == 4 else None


def _files(sections: Mapping[str, Sequence[str]]) -> dict[str, str]:
    texts = {path: "".join(f"{line}\n" for line in sections[f"file {path}"]) for path in file_paths(sections)}
    return {path: seal(path, text) for path, text in texts.items()}


def _eap(sections: Sections) -> Iterator[str]:
    """Find links with 802.1X: in an active profile of NetworkManager, or by a supplicant for cables."""
    for profile in read_profiles(sections):
        if profile.get("802-1x.eap"):
            yield profile.get("connection.interface-name", "")
    for line in sections["daemons"]:
        _comm, _, args = line.partition(" ")
        if "wpa_supplicant" in args and re.search(r"-D\s*wired", args):
            yield from re.findall(r"-i\s*(\S+)", args)


def _machine(lines: list[str]) -> str:
    """Name the hypervisor or cloud; systemd's word first, as it knows more of them than any list here."""
    said = {name: value.strip() for name, _, value in (line.partition("=") for line in lines)}
    product = " ".join(filter(None, (said.get("vendor"), said.get("product"))))
    detected = said.get("detected", "")
    if detected and detected != "none":
        return f"{detected} ({product})" if product else detected
    cloud = re.search(
        r"amazon ec2|google compute|openstack|digitalocean|hetzner|vultr|alibaba", product, re.IGNORECASE
    )
    if cloud or (not detected and said.get("hypervisor")):
        return product or "an unknown hypervisor"
    return ""


def _zones(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Read firewall-cmd's list; a link in the default zone needs none of its own."""
    zone = default = ""
    for line in lines:
        words = line.split()
        if line.startswith("default "):
            default = words[1] if len(words) > 1 else ""
        elif not line.startswith((" ", "\t")):
            zone = words[0]
        elif words[0] == "interfaces:" and zone != default:
            yield from ((name, zone) for name in words[1:])


def _users(lines: list[str]) -> dict[str, tuple[str, ...]]:
    """Read, from grep's PATH:MATCH, link to those that are defined on it."""
    found: dict[str, dict[str, None]] = {}
    for line in lines:
        path, _, match = line.partition(":")
        kind = "network" if "/networks/" in path else "VM"
        name = PurePosixPath(path).stem
        found.setdefault(match.rstrip("'").rpartition("'")[2], {})[f"{kind} {name}"] = None
    return {link: tuple(users) for link, users in found.items()}


def _way(line: str) -> tuple[str, Way]:
    address, dev, answers = line.split()
    return address, Way("" if dev == "-" else dev, {"yes": True, "no": False}.get(answers))
