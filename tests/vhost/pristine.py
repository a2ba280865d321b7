"""A virtual host as it was built, running within seconds and gone without a trace afterwards."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator

from tests.lab.cache import cache, claim_folder
from tests.vhost import image
from tests.vhost.host import VirtualHost
from tests.vhost.qemu import program


@contextlib.contextmanager
def pristine(kind: str) -> Iterator[VirtualHost]:
    """Give a running `bare` or `ready` host on a throw-away disk; builds its image if that is not there."""
    built = image.build(kind)
    folder, lock = claim_folder(cache("vhost"))
    try:
        disk = folder / "disk"
        overlay = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(built / "disk"), str(disk)]
        subprocess.run([*program("qemu-img"), *overlay], check=True, timeout=60, capture_output=True)
        host = VirtualHost(built, folder, disk, "qcow2")
        try:
            host.start(built / "memory")
            yield host
        finally:
            host.kill()
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)
