"""BridgeSpec: the bridge that a person asks for."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, ValidationInfo, field_validator

from kvmkit.spec import Spec

__all__ = ["BridgeSpec", "least_timeout"]


def least_timeout(stp: bool, forward_delay: int) -> int:
    """Say how many seconds a trial needs: STP opens its port after twice the delay; then comes verifying."""
    return 2 * forward_delay + 10 if stp else 0


def _cidr(value: str) -> str:
    if not value:
        return value
    try:
        found = ipaddress.IPv4Interface(value)
    except ValueError:
        raise ValueError("an IPv4 address with its prefix length, such as 192.168.0.100/24, please") from None
    if "/" not in value or not 1 <= found.network.prefixlen <= 32:
        raise ValueError("with a prefix length of 1 to 32, please, such as 192.168.0.100/24")
    inside = found.network.prefixlen < 31
    if inside and found.ip in (found.network.network_address, found.network.broadcast_address):
        raise ValueError(f"{found.ip} is the network's own or its broadcast address in {found.network}")
    if found.ip.is_multicast or found.ip.is_loopback or found.ip.is_unspecified:
        raise ValueError("not an address that a host can have")
    return str(found)


def _gateway(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value)) if value else value
    except ValueError:
        raise ValueError("an IPv4 address, such as 192.168.0.1, please") from None


def _servers(value: str) -> str:
    try:
        return " ".join(str(ipaddress.ip_address(word)) for word in value.split())
    except ValueError:
        raise ValueError("IP addresses separated by blanks, please") from None


class BridgeSpec(Spec):
    """The bridge that a person asks for.

    Attributes
    ----------
    nic : str
        The network card that goes into the bridge, or a bond or VLAN; ``kk.links(host)`` lists them.
    bridge : str
        Name of the bridge: 1 to 15 of letters, digits, ``_``, ``-``, the first a letter.
    addressing : {"keep", "dhcp", "static"}
        Where the host's IPv4 address on the bridge comes from: as it is now on the card, from DHCP, or as
        given below. IPv6 addresses always stay.
    address : str
        For ``static`` alone: address and prefix length, ``192.168.0.100/24``.
    gateway : str
        For ``static`` alone: the default route's; ``""``: no default route by this bridge.
    dns : str
        For ``static`` alone: DNS servers separated by blanks; ``""``: those of now.
    stp : bool
        Whether the bridge speaks STP with switches; then its port stays closed for twice `forward_delay`.
    forward_delay : int
        Seconds, for STP; without STP it makes no difference, and 0 is the right value.
    timeout : int
        Seconds, counted from the change, after which the host puts itself back unless confirmed.
    allow_guest : bool
        Go on though the host is itself a virtual machine or in a cloud. Many such networks drop what does not
        come from the machine's own MAC address, and VMs on the bridge then reach nobody.

    Raises
    ------
    InvalidSpec
        Naming each wrong field, its value and what was expected.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.BridgeSpec(nic="eth0").bridge
    'br0'
    >>> kk.BridgeSpec(nic="eth0", addressing="static")
    Traceback (most recent call last):
      ...
    kvmkit.errors.InvalidSpec: address: '': addressing "static" needs one, such as 192.168.0.100/24
    """

    nic: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$")]
    bridge: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,14}$")] = "br0"
    addressing: Literal["keep", "dhcp", "static"] = "keep"
    address: Annotated[str, AfterValidator(_cidr)] = ""
    gateway: Annotated[str, AfterValidator(_gateway)] = ""
    dns: Annotated[str, AfterValidator(_servers)] = ""
    stp: StrictBool = False
    forward_delay: Annotated[int, Field(ge=0, le=30)] = 0
    timeout: Annotated[int, Field(ge=3, le=600)] = 60
    allow_guest: StrictBool = False

    @property
    def servers(self) -> tuple[str, ...]:
        """The DNS servers, one by one."""
        return tuple(self.dns.split())

    @field_validator("bridge")
    @classmethod
    def _two_links(cls, value: str, info: ValidationInfo) -> str:
        if value == info.data.get("nic"):
            raise ValueError("that is the card's own name; a bridge is a link of its own")
        return value

    @field_validator("address", "gateway", "dns")
    @classmethod
    def _only_static(cls, value: str, info: ValidationInfo) -> str:
        addressing = info.data.get("addressing")
        if value and addressing in ("keep", "dhcp"):
            raise ValueError(f'goes with addressing "static"; it is "{addressing}"')
        if info.field_name == "address" and not value and addressing == "static":
            raise ValueError('addressing "static" needs one, such as 192.168.0.100/24')
        return value

    @field_validator("gateway")
    @classmethod
    def _near(cls, value: str, info: ValidationInfo) -> str:
        if value and info.data.get("address"):
            own = ipaddress.IPv4Interface(info.data["address"])
            if ipaddress.IPv4Address(value) not in own.network:
                raise ValueError(f"not in {own.network}, the network of the address: it would not be found")
            if ipaddress.IPv4Address(value) == own.ip:
                raise ValueError("that is the host's own address")
        return value

    @field_validator("forward_delay")
    @classmethod
    def _kernel_takes(cls, value: int, info: ValidationInfo) -> int:
        if info.data.get("stp") and value < 2:
            raise ValueError("with STP the kernel takes 2 to 30 seconds; switches expect 15")
        return value

    @field_validator("timeout")
    @classmethod
    def _long_enough(cls, value: int, info: ValidationInfo) -> int:
        needed = least_timeout(info.data.get("stp", False), info.data.get("forward_delay", 0))
        if value < needed:
            raise ValueError(f"with STP the port opens after twice forward_delay: {needed} at least, please")
        return value
