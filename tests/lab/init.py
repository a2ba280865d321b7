"""The first process of a machine of its own: makes its mounts, lives as long as the owner, takes all down.

Run by `unshare` in new namespaces, with the standard library alone. As the lab's process 1 it ends every
process of the lab by ending itself, so nothing outlives the owner, however that ends.
"""

import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

SHARED = ("/run", "/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt")
"""What a client on the root of the machine outside sees of the lab, to find the socket and the disks.

All of /run: nobody in there may reach the machine's own systemd or D-Bus and have it change something.
"""

DEVICES = (
    # path, major, minor, mode, group inside the lab ("" is root)
    ("null", 1, 3, 0o666, ""),
    ("zero", 1, 5, 0o666, ""),
    ("full", 1, 7, 0o666, ""),
    ("random", 1, 8, 0o666, ""),
    ("urandom", 1, 9, 0o666, ""),
    ("tty", 5, 0, 0o666, ""),
    ("net/tun", 10, 200, 0o666, ""),
    # As udev would make it. Whether a guest can run on it is another question.
    ("kvm", 10, 232, 0o660, "kvm"),
)


def main(owner: int, debian: str, folder: Path, name: str, shared: list[str]) -> None:
    # Asked while /proc is still the machine's: the number of this process outside.
    number = str(Path("/proc/self").readlink())
    root = folder / "root"
    mount_overlay(debian, folder, root)
    mount("-t", "proc", "proc", root / "proc")
    # A new instance shows the lab's network devices. No cgroups in it: libvirt does without, and leaves none.
    mount("-t", "sysfs", "sysfs", root / "sys")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "run")
    make_devices(root)
    for path in shared:
        share(path, folder)
    mount("-t", "sysfs", "sysfs", "/sys")
    # Not pivot_root: the machine's own root stays behind in this mount namespace, for clients to enter.
    os.chroot(root)
    os.chdir("/")
    socket.sethostname(name)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    print(number, flush=True)  # noqa: T201 (the owner reads it)
    live_as_long_as(owner)


def mount(*argv: str | Path) -> None:
    subprocess.run(["mount", *argv], check=True)


def mount_overlay(lower: str, layers: Path, point: Path) -> None:
    mount(
        "-t", "overlay", "-o", f"lowerdir={lower},upperdir={layers}/upper,workdir={layers}/work", "lab", point
    )


def make_devices(root: Path) -> None:
    """Mount a private /dev with terminals of its own, without which libvirt fails to create a PTY."""
    dev = root / "dev"
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", dev)
    for name in ("net", "pts", "shm"):
        (dev / name).mkdir()
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620,gid=5", "devpts", dev / "pts")
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", dev / "shm")
    (dev / "ptmx").symlink_to("pts/ptmx")
    (dev / "fd").symlink_to("/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/proc/self/fd/{number}")
    for name, major, minor, mode, group in DEVICES:
        if (Path("/dev") / name).exists():
            os.mknod(dev / name, stat.S_IFCHR, os.makedev(major, minor))
            (dev / name).chmod(mode)
            os.chown(dev / name, 0, group_id(root, group) if group else 0)


def group_id(root: Path, name: str) -> int:
    lines = (root / "etc/group").read_text().splitlines()
    groups = {group: int(gid) for group, _, gid, _ in (line.split(":") for line in lines)}
    # A root without QEMU need not know it.
    return groups.get(name, 0)


def share(path: str, folder: Path) -> None:
    """Bind a folder of the lab over the machine's, in this mount namespace only."""
    inside = Path(f"{folder}/root{path}")
    inside.mkdir(exist_ok=True)
    point = Path(path)
    if not point.exists():
        # The machine lacks it and must not get it: an overlay over the parent takes the new folder.
        layers = folder / "points" / point.parent.name
        for name in ("upper", "work"):
            (layers / name).mkdir(parents=True)
        shutil.copymode(point.parent, layers / "upper")
        mount_overlay(str(point.parent), layers, point.parent)
        point.mkdir()
    mount("--bind", inside, point)


def live_as_long_as(owner: int) -> None:
    """Reap what daemons leave, as libvirt waits for its QEMUs to vanish, until the owner has ended."""
    child_ended, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while owner not in select.select([owner, child_ended], [], [])[0]:
        os.read(child_ended, 4096)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            continue


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4], sys.argv[5:])
