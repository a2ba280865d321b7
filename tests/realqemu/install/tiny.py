"""A tree with the lab's guest in place of an installer: it tells what it was given, and restarts or waits."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kvmkit as kk
from kvmkit.install import watch
from kvmkit.install.deliver import inject
from tests.realqemu.vm.world import World
from tests.unit.install.servers import http_files

TREEINFO = """[header]
type = productmd.treeinfo
version = 1.2
[release]
name = Fedora
short = Fedora
version = 40
[tree]
arch = x86_64
build_timestamp = 1714694400
platforms = x86_64
variants = Everything
[variant-Everything]
id = Everything
name = Everything
packages = Packages
repository = .
type = variant
uid = Everything
[images-x86_64]
kernel = vmlinuz
initrd = initrd.img
"""
ENDS = 'rdinit=/bin/busybox -- sh -c "cat /ks.cfg; reboot -f"'
"""Prints the answers, and ends as an installer does."""
PANICS = "rdinit=/bin/false"
WAITS = 'rdinit=/bin/busybox -- sh -c "echo [!!] Choose a mirror; sleep 9999"'
HALTS = 'rdinit=/bin/busybox -- sh -c "halt -f"'
STAYS = 'rdinit=/bin/busybox -- sh -c "echo Installation complete. Press ENTER to quit:; sleep 9999"'
"""They are done, and leave the VM on."""
SCRIPT = "rdinit=/bin/busybox -- sh /install"
"""Does what :func:`script` was given."""

# Of a boot sector, in real mode: print the text behind it on the serial port, letter by letter; halt.
_PRINTS = bytes.fromhex("31c0 8ed8 be157c baf803 ac 84c0 7403 ee ebf8 f4 ebfd") + b"login:\0"
_SECTOR = _PRINTS.ljust(510, b"\0") + b"\x55\xaa"


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    """Make it in a folder of this machine."""
    made = tmp_path / "tree"
    made.mkdir()
    (made / ".treeinfo").write_text(TREEINFO)
    shutil.copyfile(world.lab.path(world.lab.kernel), made / "vmlinuz")
    shutil.copyfile(world.lab.path(world.lab.initrd), made / "initrd.img")
    return made


@pytest.fixture
def location(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve it to the client; the tiny installer itself fetches nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with http_files(folder, "127.0.0.1") as files:
        yield files.url()


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What an installer has printed, at each look at it; the console's log begins anew with the next boot."""
    texts: list[str] = []
    real = watch.stages

    def stages(text: str) -> list[str]:
        texts.append(text)
        return real(text)

    monkeypatch.setattr(watch, "stages", stages)
    return texts


def plan(
    host: kk.Host, location: str, arguments: str, *, network: str = "", pool: str = "default", **fields: Any
) -> kk.Plan:
    """Plan an installation from it; what it leaves on the disk boots nothing, so nothing is waited for."""
    install = {"timeout": 600, "root_password": "not to be seen", "release": "F40"} | fields
    spec = kk.VMSpec(name="small", memory_mib=256, disk_gib=1, network=network, pool=pool)
    return kk.plan_vm(host, spec, kk.InstallSpec(location=location, kernel_args=arguments, **install))


def script(folder: Path, commands: str) -> None:
    """Put the commands of an installer into the tree's RAM disk; what they leave on the disk boots."""
    sector = "".join(f"\\x{byte:02x}" for byte in _SECTOR)
    writes = f"until [ -b /dev/vda ]; do sleep 1; done\nprintf '{sector}' >/dev/vda\nsync\nreboot -f\n"
    bare = (folder / "initrd.img").rename(folder / "bare.img")
    with (folder / "initrd.img").open("xb") as file:
        inject(bare, {"install": f"/etc/rcS\nset -e\n{commands}{writes}"}, file)
    bare.unlink()


def in_a_hurry(plan: kk.Plan, action: str) -> kk.Plan:
    """Give a step less time than a spec may."""
    steps = [
        step.model_copy(update={"args": step.args | {"timeout": 3}}) if step.action == action else step
        for step in plan.steps
    ]
    return plan.model_copy(update={"steps": tuple(steps)})
