"""The tests' stand-in for Anaconda: it installs Debian by a kickstart file, from an initrd that it lies in.

It speaks Anaconda's words on the serial console, takes its kernel arguments (inst.ks, inst.repo and their
old names, and dracut's rd.emergency, ip and nameserver), and obeys what answers.py lists. Whatever else a
kickstart file says is an error there: the stand-in does not fake success.
"""

import contextlib
import shlex
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

from tests.standin.installer import answers, disks, packages, system
from tests.standin.installer.say import InstallError, Refused, run, say

OWN_FILE = Path("/ks.cfg")
"""Where virt-install's --initrd-inject puts a kickstart file that is so called."""
FATAL = (
    "The following error occurred while installing the payload. "
    "This is a fatal error and installation will be aborted."
)
REFUSED = "An error occurred during reading the kickstart file:"
"""Anaconda's own words (pyanaconda/errors.py, kickstart.py)."""


def arguments() -> dict[str, str]:
    """The kernel's arguments, Anaconda's old names without `inst.` included."""
    words = shlex.split(Path("/proc/cmdline").read_text())
    pairs = [word.partition("=") for word in words]
    named = {name.removeprefix("inst."): value for name, _, value in pairs if name != "console"}
    return named | {"console": " ".join(word for word in words if word.startswith("console="))}


def bring_network_up(given: dict[str, str]) -> None:
    """Ask for an address on every card, and go on with the first that gets one; or take the given one."""
    cards = sorted(path.name for path in Path("/sys/class/net").iterdir() if path.name != "lo")
    if "ip" in given and given["ip"] != "dhcp":
        # dracut.cmdline(7): ip=ADDRESS::GATEWAY:NETMASK:NAME:CARD:none
        address, _, gateway, mask, *_ = given["ip"].split(":")
        run("ip", "link", "set", cards[0], "up")
        run("ip", "address", "add", f"{address}/{mask}", "dev", cards[0])
        run("ip", "route", "add", "default", "via", gateway)
        return
    for card in cards:
        run("ip", "link", "set", card, "up")
        limits = ["-n", "-q", "-t", "20", "-T", "3"]
        asked = ["/bin/busybox", "udhcpc", "-i", card, *limits, "-s", str(Path(__file__).parent / "dhcp")]
        if subprocess.run(asked, capture_output=True, check=False).returncode == 0:
            say(f"{card} has an address by DHCP")
            return
    raise InstallError("no network card got an address by DHCP")


def find_answers(given: dict[str, str]) -> Path:
    """Bring the kickstart file: from a URL, from the initrd, or from a volume named OEMDRV."""
    source, into = given.get("ks", ""), Path("/run/ks.cfg")
    scheme, _, rest = source.partition(":")
    if scheme in ("http", "ftp"):
        bring_network_up(given)
        download(source, into)
    elif scheme == "file":
        shutil.copyfile("/" + rest.lstrip("/"), into)
    elif not source and OWN_FILE.exists():
        shutil.copyfile(OWN_FILE, into)
    elif not source or rest.startswith("LABEL=OEMDRV"):
        copy_from_volume(into)
    else:
        raise InstallError(f"the stand-in cannot fetch a kickstart from {scheme}:")
    say("Kickstart file fetched")
    return into


def download(url: str, into: Path) -> None:
    # A URL may be a secret; what Anaconda prints of it is its host.
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 (http and ftp alone get here)
            into.write_bytes(answer.read())
    except (OSError, ValueError) as error:
        host = url.split("/")[2]
        raise InstallError(f"anaconda: failed to fetch kickstart from {host}: {error}") from error


def copy_from_volume(into: Path) -> None:
    point = Path("/run/oemdrv")
    point.mkdir()
    run("mount", "-o", "ro", find_volume("OEMDRV"), str(point))
    shutil.copyfile(point / "ks.cfg", into)
    run("umount", str(point))


def find_volume(label: str) -> str:
    """Look for a volume on all disks and drives; a drive may be found some seconds after its driver."""
    for _ in range(60):
        for device in (f"/dev/{path.name}" for path in Path("/sys/block").iterdir()):
            asked = ["blkid", "--probe", "--match-tag", "LABEL", "--output", "value", device]
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            if done.stdout.strip() == label:
                return device
        time.sleep(1)
    raise InstallError(f"no kickstart file: neither inst.ks, nor /ks.cfg, nor a volume named {label}")


def install(given: dict[str, str]) -> str:
    """Install, and return how to end: reboot or poweroff; empty: as Anaconda, wait for a key."""
    wanted = answers.read(find_answers(given))
    if not has_address():
        bring_network_up(given)
    say("Starting automated install...")
    system.run_scripts(wanted, "pre")
    root = disks.prepare(wanted)
    packages.install(wanted, given.get("repo", ""))
    system.configure(wanted)
    system.install_boot_loader(wanted, root, given["console"])
    say("Running post-installation scripts")
    system.run_scripts(wanted, "post")
    disks.leave()
    say("Installation complete")
    return wanted.end


def has_address() -> bool:
    listed = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    return any(" lo " not in line for line in listed.splitlines())


def main() -> None:
    say("Starting installer, one moment...")
    given = arguments()
    say("anaconda (the stand-in of kvmkit's tests) started.")
    try:
        end = install(given)
    except Refused as error:
        say(f"{REFUSED}\n{error}\n\nThe installer will now terminate.")
        end = given.get("rd.emergency", "")
    except (InstallError, subprocess.CalledProcessError, OSError) as error:
        say(f"{FATAL}\n\n{error}")
        # dracut's own word for what to do then; otherwise a person is waited for.
        end = given.get("rd.emergency", "")
    if end:
        say("Rebooting" if end == "reboot" else "Powering off")
        run("sync")
        run("/bin/busybox", end, "-f")
    say("Press ENTER to quit")
    with contextlib.suppress(EOFError):
        while True:
            time.sleep(3600)


main()
