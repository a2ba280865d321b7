"""An install tree whose installer is the tests' stand-in for Anaconda.

A folder as a distribution's: `.treeinfo`, kernel and initrd in images/pxeboot, and the packages, here
Debian's, in a flat repository of apt's. `python -m tests.standin.tree` builds it.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pykickstart
from productmd.treeinfo import TreeInfo, Variant

from tests.lab import debian
from tests.lab.cache import build_once, cache, digest

FILES = Path(__file__).parent / "installer"
INSTALLER = (
    *("python3", "python3-requests", "apt", "apt-utils", "busybox-static", "cpio", "zstd", "fdisk"),
    *("e2fsprogs", "extlinux", "syslinux-common", "iproute2", "kmod", "linux-image-amd64", "tiny-initramfs"),
)
CORE = (FILES / "core").read_text().split()
"""What the stand-in takes for the group @core."""
MORE = ("tzdata", "sudo", "qemu-guest-agent", "less")
"""What %packages may name beside."""
MODULES = (
    *("virtio_pci", "virtio_rng", "virtio_blk", "virtio_scsi", "virtio_net", "virtio_console"),
    *("e1000", "e1000e", "ahci", "sd_mod", "sr_mod", "isofs", "vfat", "ext4", "af_packet"),
)
REPACK = """set -e
cd /srv/packages
for package in *.deb; do
    dpkg-deb --raw-extract "$package" /srv/one
    dpkg-deb -Zzstd -z1 --build /srv/one "$package"
    rm -r /srv/one
done
"""
"""Unpacking Debian's own .xz is what would take longest on an emulated processor."""
LEFT_OUT = (
    "boot",
    "dev",
    "proc",
    "sys",
    "run",
    "tmp",
    "var/cache",
    "var/lib/apt",
    "var/lib/dpkg/info",
    "var/log",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/zoneinfo",
    "usr/lib/python3/dist-packages/pykickstart/locale",
    "srv",
)


def path() -> Path:
    """Where the tree of this recipe is, built or not."""
    recipe = (
        Path(__file__),
        Path(debian.__file__),
        *sorted(path for path in FILES.iterdir() if path.is_file()),
    )
    return cache("standin") / digest(*recipe, pykickstart.__version__)


def build() -> Path:
    """Make the tree unless it is there, about two minutes and 300 MB; needs root and the mirror."""
    return build_once(path(), _make)


def _build_base() -> Path:
    """Make what is the same for any version of the installer: its system, and the packages."""
    made_by = digest(Path(debian.__file__), *INSTALLER, *CORE, *MORE, *MODULES, REPACK)
    return build_once(cache("standin") / f"base-{made_by}", _make_base)


def _make_base(base: Path) -> None:
    base.mkdir()
    root = base / "root"
    debian.bootstrap(root, INSTALLER)
    _fetch_packages(root, base)
    [kernel] = (root / "boot").glob("vmlinuz-*")
    shutil.copyfile(kernel, base / "vmlinuz")
    _keep_modules(root, kernel.name.removeprefix("vmlinuz-"))


def _make(tree: Path) -> None:
    base = _build_base()
    images = tree / "images/pxeboot"
    images.mkdir(parents=True)
    shutil.copyfile(base / "vmlinuz", images / "vmlinuz")
    shutil.copytree(base / "packages", tree / "packages", copy_function=os.link)
    shutil.copyfile(base / "Packages", tree / "Packages")
    root = tree / "root"
    shutil.copytree(base / "root", root, symlinks=True, copy_function=os.link)
    _put_installer(root)
    _pack(root, images / "initrd.img")
    shutil.rmtree(root)
    _describe(tree)


def _fetch_packages(root: Path, base: Path) -> None:
    """Have apt of the root fetch all packages as for an empty system, and make their index."""
    (root / "srv/packages/partial").mkdir(parents=True)
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    settings = [
        "Dir::State::status=/dev/null",
        "Dir::Cache::archives=/srv/packages",
        "APT::Sandbox::User=root",
        "APT::Install-Recommends=false",
        "Debug::NoLocking=1",
    ]
    options = [word for setting in settings for word in ("-o", setting)]
    _inside(root, "apt-get", "update")
    _inside(root, "apt-get", *options, "--yes", "--download-only", "install", "?essential", *CORE, *MORE)
    _inside(root, "sh", "-c", REPACK)
    index = _inside(root, "sh", "-c", "cd /srv && rmdir packages/partial && apt-ftparchive packages packages")
    (root / "srv/packages").rename(base / "packages")
    (base / "Packages").write_bytes(index)


def _keep_modules(root: Path, version: str) -> None:
    """Remove all drivers but those that a virtual machine needs."""
    listed = _inside(root, "modprobe", "--set-version", version, "--show-depends", "--all", *MODULES).decode()
    kept = {line.split()[1].removeprefix("/") for line in listed.splitlines() if line.startswith("insmod ")}
    for module in (root / "lib/modules" / version).rglob("*.ko"):
        if f"lib/modules/{module.relative_to(root / 'lib/modules')}" not in kept:
            module.unlink()
    _inside(root, "depmod", version)
    (root / "etc/modules").write_text("\n".join(MODULES) + "\n")


def _put_installer(root: Path) -> None:
    """Put it in, and pykickstart, which is no package of Debian's and Python alone."""
    python = root / "usr/lib/python3/dist-packages"
    for name, source in (
        ("tests/standin/installer", FILES),
        ("pykickstart", Path(pykickstart.__file__).parent),
    ):
        shutil.copytree(source, python / name, ignore=shutil.ignore_patterns("__pycache__"))
    _inside(root, "python3", "-m", "compileall", "-q", "/usr/lib/python3/dist-packages")
    (python / "tests/standin/installer/dhcp").chmod(0o755)
    init = root / "init"
    shutil.copyfile(FILES / "init", init)
    init.chmod(0o755)


def _pack(root: Path, initrd: Path) -> None:
    for name in LEFT_OUT:
        shutil.rmtree(root / name, ignore_errors=True)
    for name in ("dev", "proc", "sys", "run", "tmp", "mnt", "var/log", "var/cache/apt", "var/lib/apt/lists"):
        (root / name).mkdir(parents=True, exist_ok=True)
    packed = _inside(root, "sh", "-c", "find . -xdev | cpio --create --format=newc --quiet | zstd -9 -T0")
    initrd.write_bytes(packed)


def _describe(tree: Path) -> None:
    """Write .treeinfo, as composing a distribution does."""
    info = TreeInfo()
    info.release.name, info.release.short, info.release.version = "Stand-in for Anaconda", "Stand-in", "9"
    info.tree.arch, info.tree.build_timestamp = (
        "x86_64",
        int((tree / "images/pxeboot/vmlinuz").stat().st_mtime),
    )
    info.tree.platforms.add("x86_64")
    variant = Variant(info)
    variant.id = variant.uid = variant.name = "Debian"
    variant.type, variant.paths.packages, variant.paths.repository = "variant", "packages", "."
    info.variants.add(variant)
    info.images.images["x86_64"] = {"kernel": "images/pxeboot/vmlinuz", "initrd": "images/pxeboot/initrd.img"}
    for name in info.images.images["x86_64"].values():
        info.checksums.add(name, "sha256", hashlib.sha256((tree / name).read_bytes()).hexdigest())
    info.dump(str(tree / ".treeinfo"))


def _inside(root: Path, *argv: str) -> bytes:
    done = subprocess.run(
        ["chroot", root, *argv], stdin=subprocess.DEVNULL, capture_output=True, timeout=900, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{argv[0]} in {root} ended with {done.returncode}: {done.stderr.decode()}")
    return done.stdout


if __name__ == "__main__":
    print(build())  # noqa: T201 (it talks to a person at a terminal)
