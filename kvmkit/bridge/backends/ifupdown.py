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
from kvmkit.framing import lines_of

__all__ = ["bridge", "unbridge"]

INTERFACES = f"{TRIAL}/interfaces"
KEYWORD = re.compile(
    r"\s*(iface|mapping|auto|allow-\S+|no-auto-down|no-scripts|rename|template|source|source-directory)\s"
)
"""What begins a stanza, interfaces(5); all other lines are options of the one before."""
HARDWARE = re.compile(r"[\s/](ethtool|mii-tool|tc|ip\s+(-\S+\s+)*l(in?k?)?)\s|/sys/class/net/")
"""In a command of a stanza: it is for the card, also when that is in a bridge."""
BY_SCRIPTS = re.compile(r"(ethernet|link|offload|hardware|driver-message)-")
"""Options that ethtool's scripts for ifupdown set on the link of their stanza."""
NAMING = re.compile(r"(auto|allow-\S+|no-auto-down|no-scripts)$")


def bridge(network: Network, spec: BridgeSpec) -> Recipe:
    """Have the bridge take the card's place in /etc/network/interfaces.

    Raises
    ------
    Unsupported
        ifupdown has no stanza of the card's own, or one of the bridge's name or of an alias of the card;
        or bridge-utils is missing, which makes its bridges.
    """
    _refuse_others(network, spec.nic)
    if not any("bridges" in claim.settings for claim in network.claims_on(spec.nic)):
        raise Unsupported(
            "ifupdown makes bridges by the package bridge-utils, which this host does not have: "
            "apt-get install bridge-utils"
        )
    files = _files(network, spec.nic)
    _refuse(files, spec)
    started = any(claim.settings.get("start") for claim in network.claims_on(spec.nic))
    # Who starts the card by a pattern, such as `auto /eth*`, does not name it.
    start = [f"auto {spec.bridge}"] if started and not _is_named(files, spec.nic) else []
    after = {path: _bridged(network, spec, text, start) for path, text in files.items()}
    return Recipe(
        owner="ifupdown",
        trial_files={INTERFACES: _whole(after)},
        apply=(
            *((_starts(spec.bridge),) if started else ()),
            ("ifdown", spec.nic),
            ("ifup", "-i", INTERFACES, spec.bridge),
        ),
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


def _refuse_others(network: Network, link: str) -> None:
    """Refuse ifupdown2 and ifupdown-ng: their commands have the same names, and other ways."""
    for claim in network.claims_on(link):
        if found := re.search(r"ifupdown2|ifupdown-ng", claim.settings.get("version", "")):
            raise Unsupported(
                f"{found[0]} configures {link}, which kvmkit does not do: make the bridge by hand, as its "
                "manual has it"
            )


def _starts(bridge: str) -> tuple[str, ...]:
    """See, by ifupdown's own words and before anything is changed, that it starts the bridge at boot."""
    return ("sh", "-c", 'ifquery -i "$1" --list | grep -qxF -- "$2"', "sh", INTERFACES, bridge)


def _is_named(files: dict[str, str], nic: str) -> bool:
    lines = (line.split() for text in files.values() for line in lines_of(text))
    return any(nic in words[1:] for words in lines if words and NAMING.match(words[0]))


def _refuse(files: dict[str, str], spec: BridgeSpec) -> None:
    stanzas = [lines for text in files.values() for lines in _stanzas(text)]
    heads, where = [lines[0].split() for lines in stanzas], ", ".join(files)
    names = [words[1] for words in heads if words[:1] == ["iface"] and words[1:]]
    own = [lines for lines in stanzas if lines[0].split()[:2] == ["iface", spec.nic]]
    if any(len(lines[0].split()) < 4 for lines in own):
        raise Unsupported(
            f"an `iface {spec.nic}` in {where} has no family or no method, which ifupdown2 allows and "
            "ifupdown does not: make the bridge by hand"
        )
    options = [line.split()[0] for lines in own for line in lines[1:] if BY_SCRIPTS.match(line.strip())]
    if options:
        raise Unsupported(
            f"{', '.join(options)} of {spec.nic} in {where} would be set on the bridge, without an effect: "
            f"write it as a command that names the card, such as `post-up ethtool -s {spec.nic} wol g`"
        )
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
    _refuse_others(network, bridge)
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
    lines = lines_of("".join(files.values()))
    return "".join(f"{line}\n" for line in lines if not line.lstrip().startswith("source"))


def _stanzas(text: str) -> list[list[str]]:
    """Cut a file before each line that begins a stanza."""
    found: list[list[str]] = [[]]
    for line in lines_of(text):
        if KEYWORD.match(line):
            found.append([])
        found[-1].append(line)
    return [lines for lines in found if lines]


def _bridged(network: Network, spec: BridgeSpec, text: str, start: list[str]) -> str:
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
            lines += [f"iface {spec.nic} inet manual", "", *start]
            stanza = [*(_stanza(network, spec) if replaced else stanza), *_options(network, spec)]
            made = True
        stays = (line for line in rest if _stays(line, replaced=replaced))
        lines += [*stanza, *(told for line in stays for told in _said_of(line, spec.nic, spec.bridge))]
    return "".join(f"{line}\n" for line in lines)


def _stays(line: str, *, replaced: bool) -> bool:
    """Whether a card's line is said of the bridge; its MAC address is among what makes it one."""
    words = line.split()
    return not words or words[0].startswith("#") or not (replaced or words[0] == "hwaddress")


def _said_of(line: str, nic: str, bridge: str) -> list[str]:
    """Say of the bridge what was said of the card; but not what is said of its hardware, and its MTU."""
    words = line.split()
    if words[:1] == ["mtu"]:
        # A bridge is as wide as its port.
        return [f"    pre-up ip link set dev {nic} mtu {' '.join(words[1:])}", line]
    if HARDWARE.search(line):
        return [re.sub(r"\$IFACE\b|\$\{IFACE\}", nic, line)]
    return [_renamed(line, nic, bridge)]


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
