"""How answers get to an installer without a network: inside its RAM disk, or on a small CD.

Both hand on text that may hold the hashes of passwords. Who calls gives the file that is written to,
one that goes with its process.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from pycdlib import PyCdlib

__all__ = ["inject", "seed_iso"]

REGULAR = 0o100000
"""The kind of a plain file in its mode (inode(7))."""


def inject(initrd: Path, files: Mapping[str, str], into: BinaryIO) -> None:
    """Write a copy of an initial RAM disk with files added in its root folder.

    The kernel takes several archives in a row, each compressed or not, with zeros between
    them; an uncompressed one begins at a multiple of 4 bytes (the kernel's "initramfs buffer
    format"). So the initrd stays as it is, however it is compressed, and one archive follows.

    Parameters
    ----------
    initrd
        The installer's own.
    files
        Name to text; plain names, without folders.
    into
        An empty file.
    """
    with initrd.open("rb") as old:
        shutil.copyfileobj(old, into)
    into.write(bytes(-into.tell() % 4))
    numbered = enumerate(files.items(), 1)
    into.writelines(
        _member(name, REGULAR | 0o600, text.encode(), number) for number, (name, text) in numbered
    )
    into.write(_member("TRAILER!!!", 0, b"", 0))


def _member(name: str, mode: int, content: bytes, inode: int) -> bytes:
    """Give one file as it stands in a cpio archive (cpio(5), "New ASCII Format")."""
    path = name.encode() + b"\0"
    # inode, mode, uid, gid, links, mtime, size, device, a special file's device, length of path, checksum
    numbers = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + path
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def seed_iso(files: Mapping[str, str], label: str, into: BinaryIO) -> None:
    """Write an ISO image with files in its root folder.

    Parameters
    ----------
    files
        Name to text; plain names, without folders.
    label
        Its volume id, by which it is found: ``cidata`` by cloud-init's NoCloud, ``OEMDRV`` by
        Anaconda, which takes ``ks.cfg`` from there.
    into
        An empty file.
    """
    image = PyCdlib()
    # Rock Ridge for Linux, Joliet for everybody else: ISO 9660 alone has no name such as user-data.
    image.new(vol_ident=label, rock_ridge="1.09", joliet=3)
    for number, (name, text) in enumerate(files.items(), 1):
        content = text.encode()
        image.add_fp(
            io.BytesIO(content),
            len(content),
            iso_path=f"/FILE{number}.;1",
            rr_name=name,
            joliet_path=f"/{name}",
            file_mode=REGULAR | 0o400,
        )
    image.write_fp(into)
    image.close()
