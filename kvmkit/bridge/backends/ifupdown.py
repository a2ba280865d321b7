"""ifupdown (Debian): /etc/network/interfaces, in which br0 takes the card's place.

The bridge is tried from a file in /run (``ifup -i``). ``ifup`` says all is well when it is not, and asks for
the whole of a configuration to be taken down first: hence the gap of some seconds, and the kernel's own way
back behind ifupdown's. With DHCP the lease is given back and asked for again, by the same MAC address.
"""

from __future__ import annotations

import re

from kvmkit.bridge.backends.kernel import put_back_bridge, put_back_nic
from kvmkit.bridge.facts import Network
from kvmkit.bridge.picture import bridged
from kvmkit.bridge.recipe import TRIAL, Recipe
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.errors import Unsupported

__all__ = ["bridge", "unbridge"]

INTERFACES = f"{TRIAL}/interfaces"
KEYWORD = re.compile(
    r"\s*(iface|mapping|auto|allow-\S+|no-auto-down|no-scripts|rename|template|source|source-directory)\s"
)
"""What begins a stanza, interfaces(5); all other lines are options of the one before."""
NAMING = re.compile(r"(auto|allow-\S+|no-auto-down|no-scripts)$")


def bridge(network: Network, spec: BridgeSpec) -> Recipe:
    """Have the bridge take the card's place in /etc/network/interfaces.

    Raises
    ------
    Unsupported
        ifupdown has no stanza of the card's own, or one of the bridge's name or of an alias of the card;
        or bridge-utils is missing, which makes its bridges.
    """
    if not any("bridges" in claim.settings for claim in network.claims_on(spec.nic)):
        raise Unsupported(
            "ifupdown makes bridges by the package bridge-utils, which this host does not have: "
            "apt-get install bridge-utils"
        )
    files = _files(network, spec.nic)
    _refuse(files, spec)
    after = {path: _bridged(network, spec, text) for path, text in files.items()}
    return Recipe(
        owner="ifupdown",
        trial_files={INTERFACES: _whole(after)},
        apply=(("ifdown", spec.nic), ("ifup", "-i", INTERFACES, spec.bridge)),
        restore=(
            ("ifdown", "--force", "-i", INTERFACES, spec.bridge),
            ("ifdown", "--force", spec.nic),
            ("ip", "link", "delete", "dev", spec.bridge),
            *_own_address(network, spec.nic),
            ("ifup", spec.nic),
            *put_back_nic(network, spec.nic, spec.bridge),
        ),
        keep_files={path: text for path, text in after.items() if text != files[path]},
    )


def _refuse(files: dict[str, str], spec: BridgeSpec) -> None:
    lines = (line.split() for text in files.values() for line in text.splitlines())
    names, where = [words[1] for words in lines if words[:1] == ["iface"]], ", ".join(files)
    if spec.nic not in names:
        raise Unsupported(
            f"ifupdown configures {spec.nic} by a pattern or a mapping in {where}, which a bridge "
            f"cannot take over: give it an `iface {spec.nic}` of its own there"
        )
    if spec.bridge in names:
        raise Unsupported(f"there is an `iface {spec.bridge}` in {where} already: remove it")
    if aliases := [name for name in names if name.startswith(f"{spec.nic}:")]:
        raise Unsupported(
            f"{', '.join(aliases)} in {where} would keep an address on {spec.nic}: write it as another "
            f"`iface {spec.nic} inet static`, with an address and no more"
        )


def unbridge(network: Network, bridge: str) -> Recipe:
    """Have the card take the bridge's place."""
    (port,) = network.ports_of(bridge)
    files = _files(network, bridge) or _files(network, port)
    after = {path: _unbridged(bridge, port, text) for path, text in files.items()}
    return Recipe(
        owner="ifupdown",
        trial_files={INTERFACES: _whole(after)},
        apply=(
            ("ifdown", bridge),
            *_own_address(network, port),
            ("ifup", "-i", INTERFACES, port),
        ),
        restore=(
            ("ifdown", "--force", "-i", INTERFACES, port),
            ("ifdown", "--force", bridge),
            ("ip", "link", "delete", "dev", bridge),
            ("ifup", bridge),
            *put_back_bridge(network, port, bridge),
        ),
        keep_files={path: text for path, text in after.items() if text != files[path]},
    )


def _files(network: Network, name: str) -> dict[str, str]:
    paths = [path for claim in network.claims_on(name) for path in claim.files]
    return {path: network.files[path] for path in paths if path in network.files}


def _whole(files: dict[str, str]) -> str:
    """Make one file of all, which then need not include each other."""
    lines = "".join(files.values()).splitlines()
    return "".join(f"{line}\n" for line in lines if not line.lstrip().startswith("source"))


def _stanzas(text: str) -> list[list[str]]:
    """Cut a file before each line that begins a stanza."""
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if KEYWORD.match(line):
            found.append([])
        found[-1].append(line)
    return [lines for lines in found if lines]


def _bridged(network: Network, spec: BridgeSpec, text: str) -> str:
    """Rename the card's stanzas, and have the first of them make the bridge; comments stay."""
    lines: list[str] = []
    made = False
    for head, *rest in _stanzas(text):
        words = head.split()
        if words[:2] != ["iface", spec.nic]:
            lines += [*_named(head, spec.nic, spec.bridge), *rest]
            continue
        # An address of another kind replaces all of IPv4.
        replaced = spec.addressing != "keep" and words[2] == "inet"
        stanza = [] if replaced else [_renamed(head, spec.nic, spec.bridge)]
        if not made:
            lines += [f"iface {spec.nic} inet manual", ""]
            stanza = [*(_stanza(network, spec) if replaced else stanza), *_options(network, spec)]
            made = True
        stays = (line for line in rest if _stays(line, replaced=replaced))
        lines += [*stanza, *(_renamed(line, spec.nic, spec.bridge) for line in stays)]
    return "".join(f"{line}\n" for line in lines)


def _stays(line: str, *, replaced: bool) -> bool:
    """Whether a card's line is said of the bridge; its MAC address is among what makes it one."""
    words = line.split()
    return not words or words[0].startswith("#") or not (replaced or words[0] == "hwaddress")


def _unbridged(bridge: str, port: str, text: str) -> str:
    """Rename the bridge's stanzas, without what makes it a bridge."""
    lines: list[str] = []
    for head, *rest in _stanzas(text):
        words = head.split()
        if words == ["iface", port, "inet", "manual"]:
            lines += rest
        elif words[:2] == ["iface", bridge]:
            told = (line for line in (head, *rest) if not re.match(r"\s*(bridge[_-]|hwaddress\s)", line))
            lines += [_renamed(line, bridge, port) for line in told]
        else:
            lines += [*_named(head, bridge, port), *rest]
    return "".join(f"{line}\n" for line in lines)


def _named(line: str, old: str, new: str) -> list[str]:
    """Have the one brought up where the other was; nothing is ever plugged in that is called br0."""
    keyword, *names = line.split() or [""]
    if old not in names or not NAMING.match(keyword):
        return [line]
    others = [name for name in names if name not in (old, new)]
    return [f"auto {new}", *([" ".join([keyword, *others])] if others else [])]


def _renamed(line: str, old: str, new: str) -> str:
    return re.sub(rf"(?<![\w.:-]){re.escape(old)}(?![\w.:-])", new, line)


def _own_address(network: Network, nic: str) -> list[tuple[str, ...]]:
    """Let a card have a link-local address again: bridge-utils sees to it that a port has none."""
    mode = network.known(nic).addrgenmode
    # A port says none; what it said before it was one is not written anywhere.
    return [("ip", "link", "set", "dev", nic, "addrgenmode", "eui64" if mode in ("", "none") else mode)]


def _options(network: Network, spec: BridgeSpec) -> list[str]:
    stp = ["    bridge_stp on", f"    bridge_fd {spec.forward_delay}"]
    # Without STP there is nothing to wait for.
    plain = ["    bridge_stp off", "    bridge_fd 0", "    bridge_maxwait 0"]
    return [
        f"    bridge_ports {spec.nic}",
        # ifupdown's own word, as that of bridge-utils, bridge_hw, costs a second.
        f"    hwaddress {network.known(spec.nic).mac}",
        *(stp if spec.stp else plain),
    ]


def _stanza(network: Network, spec: BridgeSpec) -> list[str]:
    """Write the IPv4 stanza that a spec asks for."""
    if spec.addressing == "dhcp":
        return [f"iface {spec.bridge} inet dhcp"]
    after = bridged(network, spec)
    routes = [
        route for route in after.routes_on(spec.bridge) if route.family == 4 and route.protocol != "kernel"
    ]
    lines = [f"iface {spec.bridge} inet static", f"    address {spec.address}"]
    for route in routes:
        if route.destination == "default":
            lines += [
                f"    gateway {route.gateway}",
                *([f"    metric {route.metric}"] if route.metric else []),
            ]
        else:
            metric = f" metric {route.metric}" if route.metric else ""
            lines.append(
                f"    up ip route add {route.destination} via {route.gateway} dev {spec.bridge}{metric}"
            )
    if servers := spec.servers or network.dns.servers:
        lines.append(f"    dns-nameservers {' '.join(servers)}")
    return lines
