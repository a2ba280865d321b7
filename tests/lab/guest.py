"""The guest of the tests: a Debian kernel with a busybox of a few files, and a CD that boots."""

import lzma
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

FILES = Path(__file__).parent / "guest"
BOOT = Path("/var/lib/libvirt/boot")
"""The folder that libvirt and virt-install use for kernels; QEMU's user may enter it."""
KERNEL = BOOT / "vmlinux"
"""Debian's kernel as it is in memory: to unpack it would take an emulated processor 2 s at each boot."""
INITRD = BOOT / "initrd.img"
ISO = BOOT / "grub-rescue.iso"

MODULES = (
    *("button", "evdev"),  # ACPI's power button and the input event that it makes
    *("virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "virtio_console"),
    *("e1000", "e1000e"),
    *("ahci", "ata_piix", "sd_mod", "sr_mod", "isofs"),  # the CD drives of q35 and pc
)
_SETTINGS = ("inittab", "profile")
_SCRIPTS = ("rcS", "say", "watch-cd", "dhcp-lease")


def install(root: Path) -> None:
    """Put kernel, initrd and ISO below `BOOT` in a Debian root folder, readable by QEMU's user."""
    version = next((root / "lib/modules").iterdir()).name
    boot = root / BOOT.relative_to("/")
    with tempfile.TemporaryDirectory(dir=root / "var/tmp") as stage:
        folder = Path(stage)
        _add_files(folder)
        _add_modules(root, folder, version)
        _pack(root, folder, boot / INITRD.name)
    (boot / KERNEL.name).write_bytes(_unpacked(root, root / f"boot/vmlinuz-{version}"))
    shutil.copyfile(root / "usr/lib/grub-rescue/grub-rescue-cdrom.iso", boot / ISO.name)
    for path in (KERNEL, INITRD, ISO):
        (boot / path.name).chmod(0o644)


def _unpacked(root: Path, packed: Path) -> bytes:
    """Take the ELF file out of a kernel, from where the header says (Linux' x86 boot protocol, 2.08)."""
    content = packed.read_bytes()
    start, length = struct.unpack_from("<II", content, 0x248)
    start += (content[0x1F1] + 1) * 512
    payload = content[start : start + length - 4]  # behind it stands its size in memory
    if payload.startswith(b"\xfd7zXZ"):
        return lzma.decompress(payload)
    return _inside(root, ["zstd", "--decompress", "--stdout"], payload)


def _add_files(folder: Path) -> None:
    for name in ("bin", "dev", "etc/acpi/PWRF", "proc", "sys"):
        (folder / name).mkdir(parents=True)
    (folder / "init").symlink_to("/bin/busybox")
    (folder / "sbin").symlink_to("bin")
    for name in _SETTINGS:
        shutil.copyfile(FILES / name, folder / "etc" / name)
    (folder / "etc/modules").write_text("".join(f"{name}\n" for name in MODULES))
    for name in _SCRIPTS:
        shutil.copyfile(FILES / name, folder / "etc" / name)
        (folder / "etc" / name).chmod(0o755)
    # The name under which busybox acpid looks for what the power button does.
    button = folder / "etc/acpi/PWRF/00000080"
    shutil.copyfile(FILES / "power-button", button)
    button.chmod(0o755)


def _add_modules(root: Path, folder: Path, version: str) -> None:
    """Copy the modules with all they depend on, and busybox, which loads them."""
    shutil.copy(root / "bin/busybox", folder / "bin/busybox")
    _inside(root, ["/bin/busybox", "--install", "-s", _path_inside(root, folder / "bin")])
    for name in MODULES:
        listed = _inside(root, ["modprobe", "--set-version", version, "--show-depends", name]).decode()
        for line in listed.splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "insmod":
                _add_module(root, folder, rest.split()[0].lstrip("/"))
    for listing in ("modules.builtin", "modules.order"):
        shutil.copyfile(root / "lib/modules" / version / listing, folder / "lib/modules" / version / listing)
    _inside(root, ["depmod", "--basedir", _path_inside(root, folder), version])


def _add_module(root: Path, folder: Path, module: str) -> None:
    """Copy one as it is loaded: from Debian 13 on they are packed, which takes an emulated processor long."""
    target = folder / module.removesuffix(".xz")
    target.parent.mkdir(parents=True, exist_ok=True)
    content = (root / module).read_bytes()
    target.write_bytes(lzma.decompress(content) if module.endswith(".xz") else content)


def _pack(root: Path, folder: Path, initrd: Path) -> None:
    names = "\n".join(str(path.relative_to(folder)) for path in sorted(folder.rglob("*")))
    archive = _inside(
        root,
        # cpio has to be told where: chroot starts in the root folder.
        ["cpio", "--create", "--format=newc", "--quiet", f"--directory={_path_inside(root, folder)}"],
        names.encode(),
    )
    initrd.write_bytes(archive)


def _path_inside(root: Path, path: Path) -> str:
    return f"/{path.relative_to(root)}"


def _inside(root: Path, argv: list[str], given: bytes = b"") -> bytes:
    done = subprocess.run(["chroot", root, *argv], input=given, capture_output=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"{argv[0]} in {root} ended with {done.returncode}: {done.stderr.decode()}")
    return done.stdout
