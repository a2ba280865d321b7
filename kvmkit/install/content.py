"""What a file really is: by its bytes, never by its name."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kvmkit.commands import Local
from kvmkit.errors import BadSource
from kvmkit.install.fetch import size_text

__all__ = ["HEAD", "Image", "inspect", "kind_of", "problem_of"]

HEAD = 0x10100
"""Bytes at the beginning of a file that tell what it is."""
QEMU_IMG = ("prlimit", "--as=2147483648", "--cpu=120", "qemu-img")
"""Bounded, as a made-up image can have it compute for ever or take all memory (CVE-2015-5162)."""
QEMU_IMG_SECONDS = 300
_SIGNS = (
    (0, b"QFI\xfb", "qcow2"),
    (0x8001, b"CD001", "iso"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"BZh", "bzip2"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"PK\3\4", "zip"),
    (0, b"7z\xbc\xaf", "7z"),
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vpc"),
    (0x40, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"QED\0", "qed"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0x200, b"EFI PART", "raw"),
    (0x1FE, b"\x55\xaa", "raw"),
    # File systems without a partition table, as some images for a kernel of one's own have it.
    (0x438, b"\x53\xef", "raw"),
    (0, b"XFSB", "raw"),
    (0x10040, b"_BHRfS_M", "raw"),
)
"""Offset, bytes and kind, as file(1) knows them; the first that fits counts."""
PACKED = {
    "xz": "xz -d",
    "gzip": "gunzip",
    "bzip2": "bunzip2",
    "zstd": "zstd -d",
    "zip": "unzip",
    "7z": "7z x",
}
OTHERS = ("vmdk", "vhdx", "vpc", "vdi", "qed", "luks")
NAMED = {".qcow2": "qcow2", ".iso": "iso", ".raw": "raw"}
"""Endings of names that promise something; .img may be anything."""
_EXTERNAL_DATA = 1 << 2
_DATA_FILE = 0x44415441


@dataclass(frozen=True)
class Image:
    """An image that can be used: qcow2, raw or iso; sizes in bytes, `capacity` as a guest sees it."""

    kind: str
    size: int
    capacity: int

    @property
    def format(self) -> str:
        """What QEMU calls it."""
        return "qcow2" if self.kind == "qcow2" else "raw"


def kind_of(head: bytes) -> str:
    """Say what a file is by its first `HEAD` bytes; empty if it is nothing that is known."""
    return next((kind for place, sign, kind in _SIGNS if head[place : place + len(sign)] == sign), "")


def inspect(path: Path, name: str) -> Image:
    """Look whether a file is an image that can be given to a host, and is whole.

    Parameters
    ----------
    path
        The file.
    name
        What it is called where it comes from.

    Raises
    ------
    BadSource
        It is something else, packed, cut off, damaged, or reaches to other files; says which.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD)
    if problem := problem_of(head, name):
        raise BadSource(f"{name} {problem}")
    kind, head = kind_of(head), head.ljust(HEAD, b"\0")
    if kind == "qcow2":
        return Image(kind, size, _check_qcow2(path, name))
    needed = max(_iso_size(head), 0) if kind == "iso" else max(_partitioned(head), default=0)
    if size < needed:
        raise BadSource(f"{name} is cut off: it has {size} bytes of {size_text(needed)} ({needed} bytes)")
    return Image(kind, size, size)


def problem_of(head: bytes, name: str) -> str:
    """Say what is wrong with an image as far as its first `HEAD` bytes tell; empty if nothing is."""
    kind, promised = kind_of(head), NAMED.get(PurePosixPath(name).suffix.lower(), "")
    if kind in PACKED:
        return f"is packed by {kind}: unpack it with `{PACKED[kind]}`, and give the file that comes out of it"
    if kind in OTHERS:
        return f"is of the format {kind}: make it qcow2 with `qemu-img convert -f {kind} -O qcow2`"
    if not kind:
        text = head.isascii() and b"\0" not in head
        said = "is empty" if not head else "is text" if text else "is nothing that is known"
        return f"{said}: no qcow2, no ISO, and no disk with partitions or a file system"
    if promised and promised != kind:
        return f"is not what it says: it is {kind}"
    if kind == "qcow2" and (elsewhere := _reaches_to(head.ljust(HEAD, b"\0"))):
        return (
            f"lies on top of another file, {elsewhere!r}: a VM would read that file of the host; "
            "take one that is whole, or make it so by `qemu-img convert` where that file is at home"
        )
    return ""


def _reaches_to(head: bytes) -> str:
    """Name the file that a qcow2 image lies on top of, or keeps its data in (QEMU's docs/interop/qcow2.txt).

    Before QEMU looks at it, which would open that file.
    """
    version, place, length = struct.unpack_from(">IQI", head, 4)
    if place:
        return head[place : place + length].decode(errors="replace") or "whose name is not at its place"
    features, header = struct.unpack_from(">Q", head, 72)[0], struct.unpack_from(">I", head, 100)[0]
    if version < 3 or not features & _EXTERNAL_DATA:
        return ""
    while header + 8 <= len(head):
        kind, length = struct.unpack_from(">II", head, header)
        if kind == _DATA_FILE:
            return head[header + 8 : header + 8 + length].decode(errors="replace")
        if kind == 0:
            break
        header += 8 + (length + 7) // 8 * 8
    return "whose name it does not give"


def _check_qcow2(path: Path, name: str) -> int:
    """Have QEMU look whether it is whole; gives its virtual size."""
    info = _qemu_img("info", path, name)
    if info.get("encrypted"):
        raise BadSource(f"{name} is encrypted, and nobody here has its key")
    found = _qemu_img("check", path, name)
    if found.get("corruptions") or found.get("check-errors"):
        raise BadSource(f"{name} is cut off or damaged: `qemu-img check` finds parts of it missing")
    return int(info["virtual-size"])


def _qemu_img(verb: str, path: Path, name: str) -> dict[str, int]:
    argv = [*QEMU_IMG, verb, "--output=json", "-f", "qcow2", "--", str(path)]
    result = Local("this machine").run(argv, "", QEMU_IMG_SECONDS)
    try:
        found: dict[str, int] = json.loads(result.stdout)
    except json.JSONDecodeError:
        said = (result.stderr.strip() or "nothing").splitlines()[-1].removeprefix("qemu-img: ")
        raise BadSource(f"{name} can't be used: qemu-img {verb} says: {said}") from None
    return found


def _iso_size(head: bytes) -> int:
    """Read how large an ISO 9660 says it is: blocks and their size (ECMA-119, 8.4)."""
    blocks = struct.unpack_from("<I", head, 0x8000 + 80)[0]
    return int(blocks * struct.unpack_from("<H", head, 0x8000 + 128)[0])


def _partitioned(head: bytes) -> Iterator[int]:
    """Read how far a raw disk's partitions reach: by GPT (UEFI, 5.3.2), else by its MBR."""
    if head[0x200:0x208] == b"EFI PART":
        yield (struct.unpack_from("<Q", head, 0x200 + 32)[0] + 1) * 512
    elif head[0x1FE:0x200] == b"\x55\xaa":
        entries = [struct.unpack_from("<B3xB3xII", head, place) for place in range(0x1BE, 0x1FE, 16)]
        # A file system that begins here has the same signature, and no partitions there.
        if all(status in (0, 0x80) for status, *_ in entries):
            yield from (
                (first + sectors) * 512 for _, kind, first, sectors in entries if kind not in (0, 0xEE)
            )
