"""Partitions: by `part`, or by `autopart` one for all; a DOS label, since the machine boots by a BIOS."""

import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.standin.installer.answers import Answers
from tests.standin.installer.say import TARGET, InstallError, run, say

MOUNTED: list[Path] = []


@dataclass(frozen=True)
class Root:
    """Where the new system lies: its disk, its root's UUID, and whether /boot is apart."""

    disk: str
    uuid: str
    boot_is_apart: bool


@dataclass(frozen=True)
class Part:
    """A partition: where it is mounted (or `swap`), MiB, and whether it takes what is left."""

    point: str
    size: int
    grow: bool
    id: str


def prepare(wanted: Answers) -> Root:
    """Partition the disk, make the file systems, and mount them."""
    disk = choose_disk(wanted)
    parts = wanted_parts(wanted)
    clear = wanted.commands["clearpart"]
    empty = not run("lsblk", "-n", "-o", "PTTYPE", disk).strip()
    if not empty and not (clear.seen and clear.type not in (None, 3)):
        raise InstallError(f"{disk} has partitions already, and clearpart does not say that they may go")
    say(f"Creating disklabel on {disk}")
    lines = ["label: dos"]
    for part in parts:
        size = "" if part.grow else f"size={part.size}MiB,"
        boot = ",bootable" if part.point == boot_point(parts) else ""
        lines.append(f"{size}type={'82' if part.point == 'swap' else '83'}{boot}")
    run("sfdisk", "--quiet", "--wipe", "always", disk, given="\n".join(lines) + "\n")
    for number, part in enumerate(parts, 1):
        make(f"{disk}{number}", part)
    mount(disk, parts)
    say("Creating file systems is done")
    root = next(part for part in parts if part.point == "/")
    return Root(disk, root.id, boot_point(parts) == "/boot")


def choose_disk(wanted: Answers) -> str:
    only = wanted.commands["ignoredisk"]
    listed = [
        name
        for name in sorted(path.name for path in Path("/sys/block").iterdir())
        if name[:2] in ("vd", "sd")
    ]
    if only.seen and only.onlyuse:
        listed = [name for name in listed if name in only.onlyuse]
    if not listed:
        raise InstallError("no disk to install on")
    return f"/dev/{listed[0]}"


def wanted_parts(wanted: Answers) -> list[Part]:
    auto, listed = wanted.commands["autopart"], wanted.commands["partition"].partitions
    if auto.seen:
        # pykickstart's constants: 0 none said, 1 plain.
        if auto.type not in (None, 0, 1) or auto.encrypted:
            raise InstallError(f"line {auto.lineno}: the stand-in's autopart is --type=plain, unencrypted")
        return [Part("/", 0, True, str(uuid.uuid4()))]
    if not any(part.mountpoint == "/" for part in listed):
        raise InstallError("the kickstart file has neither autopart nor a partition for /")
    for part in listed:
        if not (part.mountpoint == "swap" or part.mountpoint.startswith("/")) or part.fstype not in (
            "",
            "ext4",
            "swap",
        ):
            raise InstallError(f"line {part.lineno}: the stand-in makes ext4 and swap, mounted somewhere")
    # What grows has to be last; fdisk's own order is that of the lines.
    ordered = sorted(listed, key=lambda part: bool(part.grow))
    parts = [Part(part.mountpoint, part.size or 0, bool(part.grow), str(uuid.uuid4())) for part in ordered]
    if sum(part.grow for part in parts) > 1 or len(parts) > 4:
        raise InstallError("the stand-in makes at most four partitions, of which one grows")
    return parts


def boot_point(parts: list[Part]) -> str:
    return "/boot" if any(part.point == "/boot" for part in parts) else "/"


def make(device: str, part: Part) -> None:
    say(f"Creating {'swap' if part.point == 'swap' else 'ext4'} on {device}")
    if part.point == "swap":
        run("mkswap", "--uuid", part.id, device)
    else:
        # extlinux does not read the 64-bit layout of ext4.
        run("mkfs.ext4", "-q", "-F", "-O", "^64bit,^metadata_csum", "-U", part.id, device)


def mount(disk: str, parts: list[Part]) -> None:
    """Mount the file systems, the kernel's among them, and write the new system's fstab."""
    TARGET.mkdir(parents=True)
    devices = {part.point: f"{disk}{number}" for number, part in enumerate(parts, 1)}
    lines = []
    for part in sorted(parts, key=lambda part: part.point):
        if part.point == "swap":
            lines.append(f"UUID={part.id} none swap sw 0 0")
            continue
        lines.append(f"UUID={part.id} {part.point} ext4 defaults 0 {1 if part.point == '/' else 2}")
        point = TARGET / part.point.lstrip("/")
        point.mkdir(parents=True, exist_ok=True)
        # Nobody needs half an installation: what a power cut would lose is lost anyway.
        run("mount", "-o", "barrier=0,data=writeback", devices[part.point], str(point))
        MOUNTED.append(point)
    for kind, name in (("proc", "proc"), ("sysfs", "sys"), ("devtmpfs", "dev"), ("tmpfs", "run")):
        (TARGET / name).mkdir(exist_ok=True)
        run("mount", "-t", kind, kind, str(TARGET / name))
        MOUNTED.append(TARGET / name)
    (TARGET / "etc").mkdir()
    (TARGET / "etc/fstab").write_text("\n".join(lines) + "\n")


def leave() -> None:
    """Unmount all, so that all is on the disk."""
    while MOUNTED:
        run("umount", str(MOUNTED.pop()))
