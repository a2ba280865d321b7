"""A virtual host as it was built, running within seconds and gone without a trace afterwards."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lab.cache import cache, claim_folder
from tests.netlab.lan import Lan
from tests.vhost import image, selinux
from tests.vhost.host import VirtualHost
from tests.vhost.on_lan import VirtualHostOnLan
from tests.vhost.qemu import program


@contextlib.contextmanager
def pristine(kind: str) -> Iterator[VirtualHost]:
    """Give a running `bare`, `ready` or `selinux` host on a throw-away disk; builds its image if need be."""
    labelled = kind == "selinux"
    built = selinux.build() if labelled else image.build(kind)
    machine = selinux.SelinuxHost if labelled else VirtualHost
    with _disk(built) as disk:
        host = machine(built, disk.parent, disk, "qcow2")
        try:
            host.start(built / "memory")
            yield host
        finally:
            host.kill()


@contextlib.contextmanager
def pristine_on_lan(kind: str) -> Iterator[VirtualHostOnLan]:
    """Give one whose NIC is on a LAN of its own; it boots, which takes a minute or so."""
    built = image.build(kind)
    with _disk(built) as disk, Lan() as lan:
        host = VirtualHostOnLan(built, disk.parent, disk, "qcow2", lan)
        try:
            host.start()
            yield host
        finally:
            host.kill()


@contextlib.contextmanager
def _disk(built: Path) -> Iterator[Path]:
    """Make a throw-away disk over that of an image, in a folder of its own."""
    folder, lock = claim_folder(cache("vhost"))
    try:
        disk = folder / "disk"
        overlay = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(built / "disk"), str(disk)]
        subprocess.run([*program("qemu-img"), *overlay], check=True, timeout=60, capture_output=True)
        yield disk
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)
