"""A tree with the lab's guest in place of an installer: it tells what it was given, and restarts or waits."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kvmkit as kk
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


def plan(host: kk.Host, location: str, arguments: str, **fields: Any) -> kk.Plan:
    """Plan an installation from it; what it leaves on the disk boots nothing, so nothing is waited for."""
    install = {"timeout": 600, "root_password": "not to be seen", "release": "F40"} | fields
    spec = kk.VMSpec(name="small", memory_mib=256, disk_gib=1, network="")
    return kk.plan_vm(host, spec, kk.InstallSpec(location=location, kernel_args=arguments, **install))


def in_a_hurry(plan: kk.Plan) -> kk.Plan:
    """Give the installer less time than a spec may."""
    steps = [
        step.model_copy(update={"args": step.args | {"timeout": 3}}) if step.action == "vm-install" else step
        for step in plan.steps
    ]
    return plan.model_copy(update={"steps": tuple(steps)})
