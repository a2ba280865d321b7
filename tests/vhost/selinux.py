"""The virtual host with SELinux: as ready as the other, by Debian's policy, which is enforced."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.lab import debian, guest, root
from tests.lab.cache import build_once, cache, digest
from tests.lab.ssh import make_key
from tests.vhost import image
from tests.vhost.host import VirtualHost
from tests.vhost.qemu import KERNEL_ARGS, Qemu

PACKAGES = (
    *(name for name in image.PACKAGES["ready"] if name != "apparmor"),
    *("selinux-basics", "selinux-policy-default", "policycoreutils-python-utils"),
)
POLICY = Path(__file__).with_suffix(".cil")
MORE = ("-m", "2048", "-append", f"{KERNEL_ARGS} security=selinux selinux=1")
# Labels are attributes of files that any kernel can write; mkfs.ext4 copies them.
LABEL = """
mount -t proc proc "$1/proc"
cp "$2" "$1/root/vhost.cil"
chroot "$1" semodule --noreload --install /root/vhost.cil
chroot "$1" setfiles -F /etc/selinux/default/contexts/files/file_contexts /
"""


class SelinuxHost(VirtualHost):
    """A virtual host whose kernel starts with SELinux."""

    def _switch_on(self, memory: Path | None, **_: Sequence[str]) -> Qemu:
        return super()._switch_on(memory, more=MORE)


def path() -> Path:
    """Where its image is, built or not."""
    return cache("vhost") / f"selinux-{digest(Path(__file__), POLICY, image.path('ready').name)}"


def build() -> Path:
    """Make the image unless it is there; it is a folder like the others'."""
    root.build()
    return build_once(path(), _make)


def _make(folder: Path) -> None:
    system = folder / "root"
    folder.mkdir()
    debian.bootstrap(system, PACKAGES)
    image._configure(system, make_key(folder / "key"))
    boot = guest.BOOT.relative_to("/")
    shutil.copytree(root.build() / boot, system / boot, dirs_exist_ok=True)
    shutil.copyfile(system / "etc/ssh/ssh_host_ed25519_key.pub", folder / "host_key.pub")
    for name in ("vmlinuz", "initrd.img"):
        shutil.copyfile(system / name, folder / name)
    _label(system)
    image._make_disk(system, folder / "disk")
    shutil.rmtree(system)
    _boot_and_save(folder)


def _label(system: Path) -> None:
    config = system / "etc/selinux/config"
    config.write_text(config.read_text().replace("SELINUX=permissive", "SELINUX=enforcing"))
    subprocess.run(
        ["unshare", "--mount", "sh", "-e", "-c", LABEL, "sh", system, POLICY],
        check=True,
        timeout=600,
        capture_output=True,
    )


def _boot_and_save(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        machine = SelinuxHost(folder, Path(scratch), folder / "disk", "raw")
        try:
            machine.start()
            for command in image.READY:
                machine.run(["virsh", *command])
            machine.save(folder / "memory")
        finally:
            machine.kill()
