"""What is wanted of a new system, as all kinds of answers put it into words."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from kvmkit.errors import InvalidSpec
from kvmkit.install.answers.secret import hash_password
from kvmkit.install.spec import InstallSpec

__all__ = ["Static", "Wanted", "static_address", "wanted"]

MASK = "********"
HIDDEN = "# the script: not shown, as it may hold secrets\n"
LONGEST_POST = 65536
"""Bytes of a script: a shell gets it as one argument, in Base64, and Linux allows 128 KiB (execve(2))."""


@dataclass(frozen=True)
class Static:
    """An address that stays."""

    address: ipaddress.IPv4Interface | ipaddress.IPv6Interface
    gateway: str
    servers: tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """An InstallSpec with what follows from it.

    Attributes
    ----------
    password, root_password
        Their hashes; empty: no password.
    static
        None: DHCP.
    mac
        The MAC address of the VM's card, as far as it is known.
    """

    install: InstallSpec
    hostname: str
    keys: tuple[str, ...]
    packages: tuple[str, ...]
    static: Static | None
    mac: str = ""
    password: str = field(default="", repr=False)
    root_password: str = field(default="", repr=False)

    @property
    def account(self) -> str:
        """Whom the SSH keys let in: the user, or root if there is to be none."""
        return self.install.user or "root"

    @property
    def tree(self) -> str:
        """Where the installer gets what it installs, as seen from the VM; empty: from the CD.

        Raises
        ------
        InvalidSpec
            It is a folder of this machine.
        """
        location = self.install.location
        if location.startswith("/"):
            raise InvalidSpec(
                {"location": f"{location!r}: the installer in the VM cannot reach a folder; it takes a URL"}
            )
        return location

    @property
    def shown(self) -> Wanted:
        """The same without what must not be seen: hashes, and the script, which may hold keys and tokens."""
        install = self.install.model_copy(update={"post": HIDDEN if self.install.post else ""})
        password, root_password = (MASK if found else "" for found in (self.password, self.root_password))
        return replace(self, install=install, password=password, root_password=root_password)

    @property
    def sudo(self) -> str:
        """What the user may do; who has no password cannot be asked for it (sudoers(5))."""
        return "ALL=(ALL) ALL" if self.password else "ALL=(ALL) NOPASSWD: ALL"


def wanted(install: InstallSpec, vm_name: str, mac: str) -> Wanted:
    """Look what a spec asks for, and hash its passwords.

    Raises
    ------
    InvalidSpec
        Fields that do not go together.
    """
    if wrong := dict(_problems(install)):
        raise InvalidSpec(wrong)
    return Wanted(
        install=install,
        hostname=install.hostname or vm_name,
        keys=tuple(dict.fromkeys(filter(None, map(str.strip, install.ssh_keys.splitlines())))),
        packages=tuple(install.packages.split()),
        static=static_address(install.network),
        mac=mac,
        password=hash_password(install.password).get_secret_value(),
        root_password=hash_password(install.root_password, "root_password").get_secret_value(),
    )


def _problems(install: InstallSpec) -> Iterator[tuple[str, str]]:
    if install.password.get_secret_value() and not install.user:
        yield "password", "it is a user's, and user is empty; root's is root_password"
    if "%" in install.network:  # Python takes any text for the zone of an address
        yield "network", f"{install.network!r}: IP addresses without a zone, please"
    if len(install.post.encode()) > LONGEST_POST:
        yield "post", f"a script of at most {LONGEST_POST} bytes, please; it can fetch what it needs"


def static_address(network: str) -> Static | None:
    """Read the address of an InstallSpec; None: DHCP."""
    if network == "dhcp":
        return None
    address, gateway, *servers = network.split()
    return Static(ipaddress.ip_interface(address), gateway, tuple(servers))
