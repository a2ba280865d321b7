"""Files of this machine put into a pool by libvirt's own stream, which goes wherever its connection goes."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import libvirt
from lxml import etree

from kvmkit.actions import action
from kvmkit.errors import Conflict, NotFound
from kvmkit.host import Host
from kvmkit.install.fetch import MIB, Told, size_text
from kvmkit.plan import Step
from kvmkit.progress import safe_point, tell
from kvmkit.vm.storage import CreateVolume, find_volume
from kvmkit.vm.xml import parse

__all__ = ["Upload", "upload_volume"]

HEAD = MIB
"""Bytes by which a volume that a killed process left is recognised."""
REFRESH_SECONDS = 60
"""How long libvirt has to look at the pool, which it may only do when nobody builds a volume there."""


@dataclass(frozen=True)
class Upload:
    """A volume and what is to be in it; sizes in bytes.

    Attributes
    ----------
    pool, name, path
        The volume; `path` as on the host.
    size
        How much is sent.
    source
        The file on this machine that is sent.
    sha256
        What `source` has to have when it is sent; empty: it is not looked at.
    format, capacity
        What is in it, as QEMU sees it; 0: as much as is sent.
    """

    pool: str
    name: str
    path: str
    size: int
    source: str
    sha256: str = ""
    format: str = "raw"
    capacity: int = 0


def upload_volume(upload: Upload) -> Step:
    """Plan to make a volume and to fill it."""
    return Step(
        action="volume-upload",
        title=f"upload volume {upload.name} to pool {upload.pool}: {size_text(upload.size)}",
        undo="delete it, with what is on it by then",
        args=asdict(upload) | {"capacity": upload.capacity or upload.size},
    )


class UploadVolume(CreateVolume):
    """As :class:`Upload`: make a volume and fill it."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether it is there and whole, which only the journal knows: what was begun is sent again."""
        args = step.args
        with host.reading(f"look for volume {args['name']}") as connection:
            volume = find_volume(connection, args["pool"], args["name"])
            if volume is None:
                return False
            xml = parse(volume.XMLDesc())
            if state in ("done", "undoing"):
                # Until libvirt has looked into it, it is as large as what was sent.
                ours = int(xml.findtext("capacity")) >= min(args["capacity"], args["size"])
            else:
                ours = state == "started" and int(xml.findtext("physical") or 0) == args["size"]
                ours = ours and _begins_alike(connection, volume, step)
        if not ours:
            raise Conflict(
                f"volume {args['name']} is already in pool {args['pool']} of {host.uri} "
                "and was not made by this plan"
            )
        return state != "started"

    def make(self, host: Host, step: Step, token: str) -> None:
        """Create it, unless a killed process has, and send what belongs into it."""
        args = step.args
        doing = f"upload volume {args['name']} to pool {args['pool']}"
        # A connection that notices when the host is lost: a stream would wait for it for ever.
        with (
            _source(step) as file,
            host.reading(doing),
            contextlib.closing(host.listening(_lost)) as connection,
        ):
            volume = find_volume(connection, args["pool"], args["name"])
            if volume is None:
                volume = connection.storagePoolLookupByName(args["pool"]).createXML(_volume_xml(step), 0)
            _send(connection, volume, file, step)
            if args["format"] == "qcow2":
                _await_format(volume, "qcow2")


def _lost() -> None:
    """Whoever sends is told by the stream that breaks."""


def _volume_xml(step: Step) -> str:
    """Describe a blank volume of that size; libvirt finds out what is in it once it is sent.

    All of its room is taken from the pool at once: a pool that fills up while bytes are sent has libvirt
    11.3 crash, or hang for ever.
    """
    volume = etree.Element("volume")
    etree.SubElement(volume, "name").text = step.args["name"]
    etree.SubElement(volume, "capacity", unit="bytes").text = str(step.args["size"])
    etree.SubElement(volume, "allocation", unit="bytes").text = str(step.args["size"])
    etree.SubElement(etree.SubElement(volume, "target"), "format", type="raw")
    return etree.tostring(volume, encoding="unicode")


def _source(step: Step) -> IO[bytes]:
    try:
        return Path(step.args["source"]).open("rb")
    except OSError as error:
        raise NotFound(f"{step.args['source']} can't be read any more: {error.strerror}") from error


def _begins_alike(connection: libvirt.virConnect, volume: libvirt.virStorageVol, step: Step) -> bool:
    """Whether it begins with what is to be sent, as far as it is written at all."""
    try:
        with _source(step) as file:
            wanted = file.read(HEAD)
    except NotFound:  # an undo needs no file: name and size have to do
        return True
    there = bytearray()
    _receive(connection, volume, len(wanted), there.extend)
    return _alike(there, wanted)


def _alike(there: bytes | bytearray, wanted: bytes) -> bool:
    """Whether each byte is as wanted, or not written yet: what was sent before a kill is written after it."""
    return all(found in (0, byte) for found, byte in zip(there, wanted, strict=False))


def _receive(
    connection: libvirt.virConnect, volume: libvirt.virStorageVol, size: int, take: Callable[[bytes], object]
) -> None:
    def taken(_stream: libvirt.virStream, data: bytes, _opaque: None) -> None:
        safe_point()
        take(data)

    stream = connection.newStream()
    volume.download(stream, 0, size)
    stream.recvAll(taken, None)
    stream.finish()


def _send(connection: libvirt.virConnect, volume: libvirt.virStorageVol, file: IO[bytes], step: Step) -> None:
    """Send a file and read it back: libvirt does not always tell that its pool was full meanwhile."""
    name, size = step.args["name"], step.args["size"]
    stream, digest, told = connection.newStream(), hashlib.sha256(), Told(f"uploading {name}", size)

    def next_bytes(_stream: libvirt.virStream, number: int, _opaque: None) -> bytes:
        safe_point()  # half a volume is taken back
        data = file.read(number)
        digest.update(data)
        told.add(len(data))
        return data

    volume.upload(stream, 0, size)
    stream.sendAll(next_bytes, None)
    if told.done != size or step.args["sha256"] not in ("", digest.hexdigest()):
        stream.abort()
        raise Conflict(f"{step.args['source']} was changed since it was planned to be sent; plan again")
    stream.finish()
    tell(f"verifying {name}")
    there = hashlib.sha256()
    _receive(connection, volume, size, there.update)
    if there.digest() != digest.digest():
        raise Conflict(
            f"volume {name} does not hold what was sent: its pool may be full, or its disk failing"
        )


def _await_format(volume: libvirt.virStorageVol, wanted: str) -> None:
    """Have libvirt find out what was sent to it: what is put on top of it later has to know.

    It looks at the pool by itself after an upload, but for one that it finds busy at that moment
    (virStorageVolPoolRefreshThread in its storage_driver.c).
    """
    pool = volume.storagePoolLookupByVolume()
    deadline = time.monotonic() + REFRESH_SECONDS
    while parse(volume.XMLDesc()).find("target/format").get("type") != wanted:
        if time.monotonic() > deadline:
            raise Conflict(f"libvirt does not take volume {volume.name()} for {wanted}, which it is")
        with contextlib.suppress(libvirt.libvirtError):  # it is busy still
            pool.refresh(0)
        time.sleep(0.1)


# A volume that is not whole is no volume that was made, and yet has to go.
action("volume-upload", UploadVolume(), gradual=True, rehearsed=True)
