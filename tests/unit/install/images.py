"""Tiny images: qcow2 is made by qemu-img; of the others there is as much as tells what they are."""

import subprocess
from pathlib import Path

MIB = 2**20


def qcow2(path: Path, *options: str, size: str = "16M", written: str = "3M") -> Path:
    """Make a qcow2 image with something written to it."""
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), size]
    subprocess.run(argv, check=True)
    if written:
        write = ["qemu-io", "-f", "qcow2", "-c", f"write -q -P 7 0 {written}", str(path)]
        subprocess.run(write, check=True)
    return path


def iso(path: Path, blocks: int = 600) -> Path:
    """Make an ISO 9660 as far as its head goes: a primary volume descriptor in sector 16 (ECMA-119, 8.4)."""
    descriptor = bytearray(2048)
    descriptor[:6] = b"\1CD001"
    descriptor[80:84] = blocks.to_bytes(4, "little")
    descriptor[128:130] = (2048).to_bytes(2, "little")
    path.write_bytes((bytes(0x8000) + descriptor).ljust(blocks * 2048, b"\0"))
    return path


def partitioned(path: Path, size: int = 4 * MIB) -> Path:
    """Make a raw disk with an MBR and one partition that fills it."""
    entry = bytes([0x80, 0, 0, 0, 0x83, 0, 0, 0]) + (64).to_bytes(4, "little")
    entry += (size // 512 - 64).to_bytes(4, "little")
    path.write_bytes((bytes(0x1BE) + entry + bytes(48) + b"\x55\xaa").ljust(size, b"\7"))
    return path


def gpt(path: Path, size: int = 4 * MIB) -> Path:
    """Make a raw disk with a GPT as far as its head goes: where it and its copy are (UEFI, 5.3.2)."""
    protective = bytes(0x1BE) + bytes([0, 0, 0, 0, 0xEE, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255])
    header = b"EFI PART" + bytes(16) + (1).to_bytes(8, "little") + (size // 512 - 1).to_bytes(8, "little")
    path.write_bytes((protective.ljust(0x1FE, b"\0") + b"\x55\xaa" + header).ljust(size, b"\0"))
    return path


def cut(path: Path, size: int) -> Path:
    """Cut a file off."""
    with path.open("r+b") as file:
        file.truncate(size)
    return path
