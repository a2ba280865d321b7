"""VMSpec: the virtual machine that a person asks for."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, model_validator

from kvmkit.spec import Spec, ip_address

__all__ = ["VMSpec"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _vm_name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(
            "a name is 1 to 64 of letters, digits, '.', '_' and '-', the first a letter or digit"
        )
    return value


def _plain(value: str) -> str:
    if not value.isprintable() or len(value) > 1024:
        raise ValueError("one line of at most 1024 printable characters, please")
    return value


def _path(value: str) -> str:
    if value and not value.startswith("/"):
        raise ValueError("a path on the host begins with '/'")
    return _plain(value)


def _volume(value: str) -> str:
    if "/" in value and not value.startswith("/"):
        raise ValueError("either the name of a volume or a path on the host that begins with '/'")
    return _plain(value)


def _port(value: int) -> int:
    if value != -1 and not 5900 <= value <= 65535:
        raise ValueError("a VNC port is 5900 to 65535, or -1 for a free one")
    return value


Interface = Annotated[str, Field(pattern=r"^[^\s/:]{0,15}$"), AfterValidator(_plain)]
"""A network interface's name: at most 15 bytes, no space, slash or colon (dev_valid_name in Linux)."""


class VMSpec(Spec):
    """The virtual machine that a person asks for.

    Attributes
    ----------
    name : str
        1 to 64 of letters, digits, ``.``, ``_``, ``-``; good as a file and host name too.
    memory_mib : int
        Memory in MiB.
    vcpus : int
        Virtual processors.
    disk_gib : int
        Size of the new disk in GiB; 0: no new disk, or one just as large as `image`.
    image : str
        Disk image to start from, by volume name or path; it is never written to: the
        VM gets a disk of its own on top of it.
    cdrom : str
        ISO in the VM's CD drive, by volume name or path; the drive is there without one, too.
    kernel : str
        Kernel to boot directly, a path on the host.
    initrd : str
        Its initial RAM disk, a path on the host.
    kernel_args : str
        Its arguments, for example ``console=ttyS0``.
    pool : str
        Storage pool of the new disk.
    network : str
        libvirt network; ``""``: none.
    bridge : str
        Host bridge; wins over `network`.
    graphics : {"vnc", "spice", "none"}
        The screen.
    vnc_port : int
        Port of the screen; -1: a free one.
    vnc_listen : str
        Address the screen listens on. Whoever reaches it sees it: keep to 127.0.0.1 and an SSH tunnel.
    os : str
        Name from ``virt-install --osinfo list``; ``"detect"``: from the ISO, else a generic Linux.
    firmware : {"bios", "efi"}
        The firmware.
    autostart : bool
        Whether the VM starts with the host.

    Raises
    ------
    InvalidSpec
        Naming each wrong field, its value and what was expected.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.VMSpec(name="web1").memory_mib
    1024
    >>> kk.VMSpec(name="rm -rf /")
    Traceback (most recent call last):
      ...
    kvmkit.errors.InvalidSpec: name: 'rm -rf /': a name is 1 to 64 of letters, digits, '.', '_' and '-', \
the first a letter or digit
    """

    name: Annotated[str, AfterValidator(_vm_name)]
    memory_mib: Annotated[int, Field(ge=16, le=2**24)] = 1024
    vcpus: Annotated[int, Field(ge=1, le=1024)] = 1
    disk_gib: Annotated[int, Field(ge=0, le=2**20)] = 10
    image: Annotated[str, AfterValidator(_volume)] = ""
    cdrom: Annotated[str, AfterValidator(_volume)] = ""
    kernel: Annotated[str, AfterValidator(_path)] = ""
    initrd: Annotated[str, AfterValidator(_path)] = ""
    kernel_args: Annotated[str, AfterValidator(_plain)] = ""
    pool: Annotated[str, Field(min_length=1), AfterValidator(_plain)] = "default"
    network: Annotated[str, AfterValidator(_plain)] = "default"
    bridge: Interface = ""
    graphics: Literal["vnc", "spice", "none"] = "vnc"
    vnc_port: Annotated[int, AfterValidator(_port)] = -1
    vnc_listen: Annotated[str, AfterValidator(ip_address)] = "127.0.0.1"
    os: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = "detect"
    firmware: Literal["bios", "efi"] = "bios"
    autostart: StrictBool = False

    @model_validator(mode="after")
    def _kernel_first(self) -> VMSpec:
        if not self.kernel and (self.initrd or self.kernel_args):
            raise ValueError("initrd and kernel_args go with a kernel, and kernel is empty")
        return self
