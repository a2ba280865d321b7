"""systemd-networkd's files (systemd.network(5)): sections, in order, of lines that are kept as they are."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from kvmkit.bridge.facts import Claim
from kvmkit.bridge.picture import is_near

__all__ = ["Section", "client_id", "parse", "render", "with_dhcp4", "without_ipv4"]

YES = ("yes", "true", "on", "1", "both")


@dataclass(frozen=True)
class Section:
    """One section; a name may come several times, and means something else each time."""

    name: str
    lines: tuple[str, ...] = ()

    def values(self, key: str) -> list[str]:
        """Give what a key is set to, each time."""
        return [value for name, value in map(_pair, self.lines) if name == key]

    def without(self, unwanted: Callable[[str, str], bool]) -> Section:
        """Leave out some keys."""
        return replace(self, lines=tuple(line for line in self.lines if not unwanted(*_pair(line))))


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name.strip(), value.strip()


def parse(text: str) -> list[Section]:
    r"""Read a file; comments go, and lines that a backslash continues become one.

    >>> parse("# eth0\n[Match]\nName=eth0\n[Network]\nDNS=10.0.0.1 \\\n  10.0.0.2\n")
    [Section(name='Match', lines=('Name=eth0',)), Section(name='Network', lines=('DNS=10.0.0.1 10.0.0.2',))]
    """
    found: list[Section] = []
    whole = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("#", ";")))
    for line in whole.replace("\\\n", " ").splitlines():
        words = " ".join(line.split())
        if words.startswith("["):
            found.append(Section(words.strip("[]")))
        elif words and found:
            found[-1] = replace(found[-1], lines=(*found[-1].lines, words))
    return found


def render(sections: Iterable[Section], comment: str = "") -> str:
    """Write a file; a section without lines is left out."""
    head = f"# {comment}\n" if comment else ""
    return head + "\n".join(
        f"[{section.name}]\n" + "".join(f"{line}\n" for line in section.lines)
        for section in sections
        if section.lines
    )


def client_id(claims: Iterable[Claim]) -> Iterator[Section]:
    """Keep the DHCP client id of a card's lease (RFC 4361: 255, the IAID, then the host's own id).

    Left to itself, networkd makes the IAID from the link's name, and DHCP gives a bridge another address.
    """
    for claim in claims:
        client = claim.settings.get("lease.CLIENTID", "")
        if client.startswith("ff"):
            yield Section("DHCPv4", (f"IAID={int(client[2:10], 16)}",))


def without_ipv4(sections: Iterable[Section], near: ipaddress.IPv4Network | None = None) -> list[Section]:
    """Leave out all of IPv4; but not the routes whose gateway is in the network `near`."""
    kept = []
    for section in sections:
        if section.name == "Network":
            kept.append(_with_dhcp(section.without(_ipv4_of_network), ipv4=False))
        elif not _goes(section, near):
            kept.append(section)
    return kept


def _goes(section: Section, near: ipaddress.IPv4Network | None) -> bool:
    if section.name == "Address":
        return any(map(_is_ipv4, section.values("Address")))
    if section.name == "Route":
        return _is_ipv4_route(section) and not _stays(section, near)
    return section.name in ("DHCPv4", "DHCP")


def with_dhcp4(sections: Iterable[Section]) -> list[Section]:
    """Have IPv4 configured by DHCP."""
    return [_with_dhcp(section, ipv4=True) if section.name == "Network" else section for section in sections]


def _with_dhcp(section: Section, *, ipv4: bool) -> Section:
    said = (section.values("DHCP") or ["no"])[-1].lower()
    ipv6 = said in (*YES, "ipv6", "v6")
    word = ("yes" if ipv6 else "ipv4") if ipv4 else ("ipv6" if ipv6 else "no")
    rest = section.without(lambda name, _value: name == "DHCP")
    return replace(rest, lines=(*rest.lines, f"DHCP={word}"))


def _ipv4_of_network(name: str, value: str) -> bool:
    return name in ("Address", "Gateway") and _is_ipv4(value)


def _is_ipv4(value: str) -> bool:
    # Also "_dhcp4", a gateway of that kind.
    return ":" not in value and value not in ("", "_ipv6ra")


def _is_ipv4_route(section: Section) -> bool:
    return all(_is_ipv4(value) for key in ("Gateway", "Destination") for value in section.values(key))


def _stays(route: Section, near: ipaddress.IPv4Network | None) -> bool:
    gateway = (route.values("Gateway") or [""])[-1]
    to = (route.values("Destination") or ["0.0.0.0/0"])[-1]
    return near is not None and to != "0.0.0.0/0" and is_near(gateway, near)
