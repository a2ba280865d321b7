"""What a VM shows: its console's log, a picture of its screen, and how to look at it oneself."""

from __future__ import annotations

import io
import shlex

import libvirt
from PIL import Image

from kvmkit.errors import LibvirtFailed, Unsupported, WrongState
from kvmkit.host import Host
from kvmkit.safe import one_line
from kvmkit.vm.facts import STATES, domain
from kvmkit.vm.transcript import readable
from kvmkit.vm.xml import parse

__all__ = ["console_log", "screenshot", "viewer_commands"]

LOG_BYTES = 2**20
FORMATS = ("PPM", "PNG")
"""What QEMU makes, and what libvirt's test driver has."""
PICTURE_BYTES = 256 * 2**20
PIXELS = 64 * 2**20
"""Twice those of a screen of 8K."""
BROKEN = (OSError, ValueError, SyntaxError, EOFError)
"""What Pillow raises for a picture that is not whole."""


def console_log(host: Host, name: str) -> str:
    """Read what a VM has printed on its serial console since it was started.

    It is text to read: without colours and movements of the cursor, and no character in it acts.
    Linux prints there when its kernel's arguments say ``console=ttyS0``.

    Parameters
    ----------
    host, name
        Where, and which VM.

    Returns
    -------
    str
        At most the last MiB.

    Raises
    ------
    Unsupported
        On the practice host, and for a VM whose console is not logged.
    NotFound, CommandFailed
        There is no such VM; the log cannot be read (it belongs to root).

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.console_log(host, "demo")
    Traceback (most recent call last):
      ...
    kvmkit.errors.Unsupported: a VM of the practice host runs no system, so its console says nothing
    """
    if host.practice:
        raise Unsupported("a VM of the practice host runs no system, so its console says nothing")
    with host.reading(f"look for the console log of VM {name}") as connection:
        xml = parse(domain(host, connection, name).XMLDesc())
    log = xml.find("devices/serial/log")
    if log is None:
        raise Unsupported(
            f"the console of VM {name} on {host.uri} is not logged; VMs that kvmkit makes on …/system are, "
            "others by <log file='…'/> in their <serial> (https://libvirt.org/formatdomain.html)"
        )
    said = host.run(["tail", "-c", str(LOG_BYTES), "--", log.get("file")]).stdout
    return readable(said.encode("utf-8", errors="replace"))


def screenshot(host: Host, name: str) -> Image.Image:
    """Take a picture of a running VM's screen.

    Parameters
    ----------
    host, name
        Where, and which VM.

    Returns
    -------
    PIL.Image.Image
        The screen; on the practice host libvirt's test picture.

    Raises
    ------
    NotFound, WrongState, LibvirtFailed
        There is no such VM; it is off; it has no screen.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.screenshot(host, "demo").size
    (1120, 832)
    """
    with host.reading(f"take a picture of VM {name}") as connection:
        dom = domain(host, connection, name)
        if not dom.isActive():
            state = STATES[dom.state()[0]]
            raise WrongState(
                f"VM {name} on {host.uri} has no picture: it is {state}; kk.start(host, {name!r})"
            )
        stream = connection.newStream(0)
        dom.screenshot(stream, 0)
        data = _all_of(stream, name)
    return opened(data, f"{name} on {host.uri}")


def _all_of(stream: libvirt.virStream, name: str) -> bytes:
    data = bytearray()

    def take(_stream: libvirt.virStream, chunk: bytes, _opaque: None) -> None:
        if len(data) + len(chunk) > PICTURE_BYTES:
            raise LibvirtFailed(_too_large(name))
        data.extend(chunk)

    stream.recvAll(take, None)
    stream.finish()
    return bytes(data)


def _too_large(name: str) -> str:
    return (
        f"the picture of VM {name} is not taken: it is larger than {PICTURE_BYTES >> 20} MiB, or than "
        f"{PIXELS >> 20} million pixels, which no screen is"
    )


def opened(data: bytes, name: str) -> Image.Image:
    """Read a picture in the formats that libvirt's drivers make, and in no other: a host may send anything.

    Raises
    ------
    LibvirtFailed
        It is in another format, broken, or larger than any screen.
    """
    if not data.startswith((b"P6", b"\x89PNG")):
        raise LibvirtFailed(f"what came as the picture of VM {name} is in no format that libvirt has")
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > PIXELS:
            raise LibvirtFailed(_too_large(name))
        picture.load()
    except (*BROKEN, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise LibvirtFailed(f"what came as the picture of VM {name} is no whole picture") from error
    return picture


def viewer_commands(host: Host, name: str) -> list[str]:
    """Say how to look at a VM's screen and use it, in a terminal of one's own desktop.

    Parameters
    ----------
    host, name
        Where, and which VM.

    Returns
    -------
    list of str
        Commands: virt-viewer, which finds its way itself, and for a VM on another machine also
        an SSH tunnel for any VNC viewer, as long as the VM runs.

    Raises
    ------
    NotFound, WrongState
        There is no such VM; it has no screen.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> kk.viewer_commands(host, "demo")
    ['virt-viewer --connect test:///default demo']
    """
    with host.reading(f"look for the screen of VM {name}") as connection:
        xml = parse(domain(host, connection, name).XMLDesc())
    screen = xml.find("devices/graphics")
    if screen is None:
        raise WrongState(
            f"VM {name} on {host.uri} has no screen; its console: kk.console_log(host, {name!r})"
        )
    commands = [shlex.join(["virt-viewer", "--connect", host.uri, *["--"] * name.startswith("-"), name])]
    port = screen.get("port", "-1")
    if host.ssh and port != "-1":
        listens = screen.get("listen", "127.0.0.1")
        there = listens if listens not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104 - read, not bound
        login = [*(["-p", str(host.ssh.port)] if host.ssh.port else []), host.ssh.target]
        commands.append(shlex.join(["ssh", "-N", "-L", f"127.0.0.1:{port}:{there}:{port}", *login]))
        commands.append(shlex.join(["remote-viewer", f"{screen.get('type')}://127.0.0.1:{port}"]))
    return list(map(one_line, commands))
