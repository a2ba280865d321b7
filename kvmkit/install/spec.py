"""InstallSpec: the operating system that a person asks for."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from kvmkit.spec import Spec, unshown

__all__ = ["InstallSpec"]

_KEY = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]{16,}={0,3}( .*)?")
_PACKAGE = re.compile(r"[@A-Za-z0-9][A-Za-z0-9@+._:/~^-]*")
_LOGIN = re.compile(r"://[^/\s]*@|://\S*[?#]|(passw|passphrase|secret|token)[^=\s]*=", re.IGNORECASE)
"""What lets somebody in, among a kernel's arguments."""
_HOSTNAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9-]{1,63})*")


def _plain(value: str) -> str:
    if not value.isprintable() or len(value) > 1024:
        raise ValueError("one line of at most 1024 printable characters, please")
    return value


def _text(value: str) -> str:
    if not all(character.isprintable() or character in "\n\t" for character in value):
        raise ValueError("text without control characters, please")
    return value


def _location(value: str) -> str:
    if not value or value.startswith("/"):
        return _plain(value)
    what = "an http, https or ftp URL, or a folder, which begins with '/'"
    try:
        parts = urlsplit(value)
        _plain(value)
    except ValueError:
        raise unshown(what) from None
    if parts.password is not None or (parts.username is not None and parts.scheme != "ftp"):
        raise unshown("no password in a URL, please: the guest's kernel would show it to everybody")
    if parts.query or parts.fragment or "?" in value or "#" in value:
        raise unshown(
            "no ? or # in a tree's URL, please: what follows may let others in, and names no folder"
        )
    if parts.scheme not in ("http", "https", "ftp") or not parts.hostname or " " in value:
        raise unshown(what) if "@" in value else ValueError(what)
    return value


def _arguments(value: str) -> str:
    if _LOGIN.search(value):
        raise unshown("no password here, please: the VM's XML and the guest's kernel show it to everybody")
    return _plain(value)


def _keys(value: str) -> str:
    for line in filter(str.strip, _text(value).splitlines()):
        if not _KEY.fullmatch(line.strip()):
            raise ValueError(f"{line[:30]!r} is no public SSH key: one a line, as in ~/.ssh/id_ed25519.pub")
    return value


def _hostname(value: str) -> str:
    if value and not _HOSTNAME.fullmatch(value):
        raise ValueError("a host name is letters, digits, '-' and '.' (RFC 1123)")
    return value


def _packages(value: str) -> str:
    for name in _plain(value).split():
        if not _PACKAGE.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a package")
    return value


def _network(value: str) -> str:
    if value == "dhcp":
        return value
    try:
        address, gateway, *servers = value.split()
        interface = ipaddress.ip_interface(address)
        if "/" not in address or ipaddress.ip_address(gateway) not in interface.network:
            raise ValueError
        for server in servers:
            ipaddress.ip_address(server)
    except ValueError:
        raise ValueError(
            "'dhcp', or ADDRESS/PREFIX GATEWAY [DNS …] such as '192.168.0.9/24 192.168.0.1 192.168.0.1', "
            "the gateway in the address's own network"
        ) from None
    return _plain(value)


def _password(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isprintable():
        raise ValueError("one line of printable characters, please")
    return value


Lines = Annotated[str, Field(json_schema_extra={"lines": True}), AfterValidator(_text)]
"""A text of several lines."""
Script = Annotated[Lines, Field(exclude=True, repr=False)]
"""Shell code, which may hold keys and tokens: in no display, dump or journal."""
Password = Annotated[SecretStr, Field(exclude=True, repr=False), AfterValidator(_password)]
"""In no display, dump or journal."""


class InstallSpec(Spec):
    """The operating system that a person asks for, and how it gets into a VM.

    Attributes
    ----------
    location : str
        Install tree: an http, https or ftp URL that the VM reaches, too, or a local folder; empty: the ISO
        or the image of the VM.
    answers : {"auto", "kickstart", "preseed", "autoinstall", "cloud-init", "none"}
        What the installer is told instead of being asked; auto: in the way that the source understands;
        none: a person answers.
    answers_file : str
        A file of one's own, on this machine, instead of answers made from the fields below.
    user : str
        Account to be made, allowed to use sudo; empty: root only.
    ssh_keys : str
        Public keys, one a line, that may log in as the user, or else as root.
    password : SecretStr
        The user's password; empty: SSH keys only.
    root_password : SecretStr
        root's password; empty: locked.
    hostname : str
        Empty: the VM's name.
    locale : str
        Language and country of the system.
    keyboard : str
        Keyboard layout.
    timezone : str
        Time zone, such as Asia/Shanghai.
    partitioning : {"plain", "lvm"}
        The whole disk, in partitions or in logical volumes.
    packages : str
        Packages to be installed, too, with spaces between them.
    network : str
        "dhcp", or ADDRESS/PREFIX GATEWAY [DNS ...] of the one network card.
    post : str
        Shell script that is run in the new system at the end; never shown, as it may hold secrets.
    delivery : {"auto", "initrd", "seed", "http"}
        How the answers get there: put into the installer's RAM disk, on a second CD, or asked for once over
        http; auto: the first of these that works.
    kernel_args : str
        Added to the installer's kernel arguments, for example "console=ttyS0".
    release : str
        Kickstart syntax to be used, such as RHEL9 or F40; empty: as the tree says.
    timeout : int
        Seconds that the installer has.

    Raises
    ------
    InvalidSpec
        Naming each wrong field, its value and what was expected.

    Examples
    --------
    >>> import kvmkit as kk
    >>> spec = kk.InstallSpec(location="http://192.168.0.200/rhel9", password="secret")
    >>> spec.timeout
    3600
    >>> "secret" in repr(spec) + spec.model_dump_json()
    False
    >>> kk.InstallSpec(location="http://root:secret@192.168.0.200/rhel9")
    Traceback (most recent call last):
      ...
    kvmkit.errors.InvalidSpec: location: no password in a URL, please: the guest's kernel would show it \
to everybody
    """

    location: Annotated[str, AfterValidator(_location)] = ""
    answers: Literal["auto", "kickstart", "preseed", "autoinstall", "cloud-init", "none"] = "auto"
    answers_file: Annotated[str, AfterValidator(_plain)] = ""
    user: Annotated[str, Field(pattern=r"^([a-z_][a-z0-9_-]{0,31})?$")] = ""
    ssh_keys: Annotated[Lines, AfterValidator(_keys)] = ""
    password: Password = SecretStr("")
    root_password: Password = SecretStr("")
    hostname: Annotated[str, AfterValidator(_hostname)] = ""
    locale: Annotated[str, Field(pattern=r"^[A-Za-z]{1,3}(_[A-Z]{2})?(\.[A-Za-z0-9-]+)?(@[a-z]+)?$")] = (
        "en_US.UTF-8"
    )
    keyboard: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = "us"
    timezone: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$")] = "UTC"
    partitioning: Literal["plain", "lvm"] = "plain"
    packages: Annotated[str, AfterValidator(_packages)] = ""
    network: Annotated[str, AfterValidator(_network)] = "dhcp"
    post: Script = ""
    delivery: Literal["auto", "initrd", "seed", "http"] = "auto"
    kernel_args: Annotated[str, AfterValidator(_arguments)] = ""
    release: Annotated[str, Field(pattern=r"^[A-Z]*[0-9]*$")] = ""
    timeout: Annotated[int, Field(ge=60, le=7 * 86400)] = 3600
