"""NetworkManager's keyfile format (nm-settings-keyfile(5)), written from what nmcli says of a profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

__all__ = ["UNSET", "keyfile", "section"]

UNSET = ("", "-1", "0x0", "default")
"""How nmcli writes that a property is left to NetworkManager, whatever the property."""
DEFAULTS = {
    "dhcp-hostname-flags": "0x0",
    "dhcp-send-hostname": "yes",
    "dhcp-send-hostname-deprecated": "yes",
    "dhcp-timeout": "0",
    "dns-priority": "0",
    "ignore-auto-dns": "no",
    "ignore-auto-routes": "no",
    "link-local": "0",
    "may-fail": "yes",
    "mtu": "auto",
    "never-default": "no",
    "ra-timeout": "0",
    "route-table": "0",
    "shared-dhcp-lease-time": "0",
    "temp-preferred-lifetime": "0",
    "temp-valid-lifetime": "0",
    "duplex": "",
    "speed": "0",
    "auto-negotiate": "no",
}
"""What need not be written: for the reader's sake, it would change nothing."""
LISTS = ("dns", "dns-search", "dns-options", "dhcp-reject-servers")
WAKERS = {"phy": 1, "unicast": 2, "multicast": 3, "broadcast": 4, "arp": 5, "magic": 6, "ignore": 15}
"""Numbers of the bits of wake-on-lan (nm-setting-wired.h), which nmcli shows by name."""
SWITCHES = {"yes": "true", "no": "false", "on": "true", "off": "false"}


def keyfile(sections: Mapping[str, Mapping[str, str]]) -> str:
    """Write sections of keys; a section without keys is left out.

    >>> print(keyfile({"connection": {"id": "kvmkit-br0"}, "ethernet": {}}), end="")
    [connection]
    id=kvmkit-br0
    """
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in keys.items())
        for name, keys in sections.items()
        if keys
    )


def section(settings: Mapping[str, str], setting: str) -> dict[str, str]:
    """Give the keys of one setting, ``ipv4`` or ``802-3-ethernet``, by nmcli's properties.

    >>> section({"ipv4.method": "manual", "ipv4.addresses": "10.0.0.2/8, 10.0.0.3/8"}, "ipv4")
    {'method': 'manual', 'address1': '10.0.0.2/8', 'address2': '10.0.0.3/8'}
    >>> section({"ipv4.routes": "10.9.0.0/16 10.0.0.1 50 mtu=1400", "ipv4.dns": "10.0.0.1"}, "ipv4")
    {'route1': '10.9.0.0/16,10.0.0.1,50', 'route1_options': 'mtu=1400', 'dns': '10.0.0.1;'}
    """
    found: dict[str, str] = {}
    for name, value in settings.items():
        owner, _, key = name.partition(".")
        if owner == setting and value not in UNSET and DEFAULTS.get(key) != value:
            found.update(_keys(key, value))
    return found


def _keys(key: str, value: str) -> Iterator[tuple[str, str]]:
    if key == "addresses":
        for number, address in enumerate(value.split(", "), 1):
            yield f"address{number}", address
    elif key == "routes":
        for number, route in enumerate(value.split(", "), 1):
            words = route.split()
            attributes = [word for word in words if "=" in word]
            yield f"route{number}", ",".join(word for word in words if "=" not in word)
            if attributes:
                yield f"route{number}_options", ",".join(attributes)
    elif key in LISTS:
        yield key, "".join(f"{item.strip()};" for item in value.split(","))
    elif key == "wake-on-lan":
        yield key, str(sum(1 << WAKERS[name] for name in value.split(", ") if name in WAKERS))
    else:
        yield key, SWITCHES.get(value, value)
