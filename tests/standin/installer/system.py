"""What makes the new system somebody's: name, network, users, keys, scripts, and how it boots."""

import ipaddress
import subprocess
from pathlib import Path
from typing import Any

from tests.standin.installer.answers import Answers
from tests.standin.installer.disks import Root
from tests.standin.installer.say import TARGET, InstallError, inside, run, say

BOOT_CODE = Path("/usr/lib/EXTLINUX/mbr.bin")
BOOT = """SERIAL 0 115200
DEFAULT linux
PROMPT 0
LABEL linux
  LINUX {folder}/{kernel}
  INITRD {folder}/{initrd}
  APPEND root=UUID={uuid} ro {arguments}
"""
CARD = """[Match]
Name=e*

[Network]
{lines}
"""


def configure(wanted: Answers) -> None:
    """Obey network, timezone, rootpw, user, sshkey and services."""
    say("Performing post-installation setup tasks")
    configure_network(wanted.commands["network"].network)
    zone = wanted.commands["timezone"]
    if zone.seen:
        if not (TARGET / "usr/share/zoneinfo" / zone.timezone).exists():
            raise InstallError(f"line {zone.lineno}: no time zone {zone.timezone}")
        (TARGET / "etc/localtime").unlink(missing_ok=True)
        (TARGET / "etc/localtime").symlink_to(f"/usr/share/zoneinfo/{zone.timezone}")
        (TARGET / "etc/timezone").write_text(f"{zone.timezone}\n")
    root = wanted.commands["rootpw"]
    if root.seen:
        set_password("root", root.password, root.isCrypted, root.lock)
    for user in wanted.commands["user"].userList:
        add_user(user)
    for key in wanted.commands["sshkey"].sshUserList:
        add_key(key.username, key.key)
    services = wanted.commands["services"]
    for verb, names in (("enable", services.enabled), ("disable", services.disabled)):
        for name in names:
            # Red Hat's name for what Debian calls ssh.
            inside("systemctl", verb, "ssh" if name == "sshd" else name)


def configure_network(cards: list[Any]) -> None:
    """Have systemd-networkd do it, which Debian's systemd brings along."""
    name = next((card.hostname for card in cards if card.hostname), "localhost")
    (TARGET / "etc/hostname").write_text(f"{name}\n")
    (TARGET / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
    card = next((card for card in cards if card.bootProto), None)
    lines = ["DHCP=yes"]
    if card and card.bootProto == "static":
        address = ipaddress.ip_interface(f"{card.ip}/{card.netmask}")
        lines = [f"Address={address}"]
        lines += [f"Gateway={card.gateway}"] if card.gateway else []
        lines += [f"DNS={server}" for server in (card.nameserver or "").split(",") if server]
        (TARGET / "etc/resolv.conf").write_text(
            "".join(f"nameserver {server}\n" for server in (card.nameserver or "").split(",") if server)
        )
    (TARGET / "etc/systemd/network/10-kickstart.network").write_text(CARD.format(lines="\n".join(lines)))
    inside("systemctl", "enable", "systemd-networkd")


def set_password(name: str, password: str, crypted: bool, lock: bool) -> None:
    if password:
        inside("chpasswd", *(["--encrypted"] if crypted else []), given=f"{name}:{password}\n")
    if lock:
        inside("passwd", "--quiet", "--lock", name)


def add_user(user: Any) -> None:
    groups = ["sudo" if group == "wheel" else group for group in user.groups]
    more = ["--groups", ",".join(groups)] if groups else []
    inside("useradd", "--create-home", "--shell", user.shell or "/bin/bash", *more, user.name)
    set_password(user.name, user.password, user.isCrypted, user.lock)


def add_key(name: str, key: str) -> None:
    _, _, number, group, _, home, _ = inside("getent", "passwd", name).split(":")
    folder = TARGET / home.lstrip("/") / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "authorized_keys").open("a") as file:
        file.write(f"{key}\n")
    inside("chown", "--recursive", f"{number}:{group}", f"{home}/.ssh")


def install_boot_loader(wanted: Answers, root: Root, console: str) -> None:
    """Have it boot by extlinux, on the console that the installer was given, as Anaconda does."""
    say("Installing boot loader")
    boot = TARGET / "boot"
    [kernel] = (path.name for path in boot.glob("vmlinuz-*"))
    [initrd] = (path.name for path in boot.glob("initrd.img-*"))
    arguments = f"{console} {wanted.commands['bootloader'].appendLine or ''}".strip()
    run("extlinux", "--install", str(boot))
    (boot / "extlinux.conf").write_text(
        BOOT.format(
            folder="" if root.boot_is_apart else "/boot",
            kernel=kernel,
            initrd=initrd,
            uuid=root.uuid,
            arguments=arguments,
        )
    )
    with Path(root.disk).open("r+b") as disk:
        disk.write(BOOT_CODE.read_bytes())
    (TARGET / "usr/sbin/policy-rc.d").unlink()


def run_scripts(wanted: Answers, kind: str) -> None:
    """Run the scripts of %pre or %post, whose kinds pykickstart numbers."""
    number = {"pre": 0, "post": 1}[kind]
    for script in (script for script in wanted.scripts if script.type == number):
        in_chroot = kind == "post" and script.inChroot
        folder = TARGET / "root" if in_chroot else Path("/run")
        (folder / "ks-script").write_text(script.script)
        where = (
            ["chroot", str(TARGET), script.interp, "/root/ks-script"]
            if in_chroot
            else [script.interp, "/run/ks-script"]
        )
        done = subprocess.run(where, capture_output=True, text=True, check=False)
        (folder / "ks-script").unlink()
        if script.logfile:
            (TARGET / script.logfile.lstrip("/") if in_chroot else Path(script.logfile)).write_text(
                done.stdout + done.stderr
            )
        if done.returncode:
            say(f"%{kind} on line {script.lineno} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
            if script.errorOnFail:
                raise InstallError(f"There was an error running the kickstart script at line {script.lineno}")
