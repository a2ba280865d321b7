"""Kickstart: answers for Anaconda, in the syntax of the release that is installed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sysconfig
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

from kvmkit.commands import NOT_FOUND, Local, Result
from kvmkit.errors import InvalidSpec
from kvmkit.install.answers.checked import Checked
from kvmkit.install.answers.setup import allow_keys, allow_sudo
from kvmkit.install.answers.wanted import Wanted

__all__ = ["check", "kickstart"]

OLDEST = {"RHEL": 6, "F": 22}
SECTION_WORDS = (
    *("%end", "%include", "%ksappend", "%addon", "%anaconda", "%certificate", "%onerror", "%packages"),
    *("%post", "%pre", "%pre-install", "%traceback"),
)
"""A line of a script that begins with one of them ends the script, or has a file read."""
APPEND = "%ksappend"
FAULT = re.compile(r"line (\d+) of the kickstart file:\s*(.*)")
WARNING = re.compile(r"^warning of line (\d+): (.*)$", re.MULTILINE)
HOOK = Path(__file__).with_name("hook")


def kickstart(want: Wanted, release: str) -> str:
    """Write a kickstart for a release, such as RHEL9 or F40.

    Every word that could hold more than letters is quoted as for a shell, which is how
    Anaconda splits lines.

    Raises
    ------
    InvalidSpec
        Kickstart, or that of this release, cannot say what is asked for.
    """
    family, number = _release(release)
    is_old = family == "RHEL" and number <= 6
    # pykickstart takes a second key of an account for a mistake.
    has_sshkey = (family == "F" or number >= 8) and len(want.keys) == 1
    lines = [
        f"url {quote(f'--url={want.tree}')}" if want.tree else "cdrom",
        "text",
        f"lang {quote(want.install.locale)}",
        f"keyboard {quote(want.install.keyboard)}",
        f"timezone --utc {quote(want.install.timezone)}",
        _network(want, is_old=is_old),
        *_accounts(want, is_old=is_old, has_sshkey=has_sshkey),
        *_disk(want, is_old=is_old),
        "firstboot --disable",
        "reboot",
        *_section("%packages", "\n".join(["@core", "openssh-server", "sudo", *want.packages])),
    ]
    setup = "" if has_sshkey or not want.keys else allow_keys(want.account, want.keys)
    if want.install.user:
        setup += allow_sudo(want.install.user, want.sudo)
    for script in filter(None, (setup, _post(want.install.post))):
        lines += _section("%post --erroronfail", script)
    return "\n".join([*lines, ""])


def _release(release: str) -> tuple[str, int]:
    found = re.fullmatch(r"(RHEL|F)([0-9]+)", release)
    if not found or int(found[2]) < OLDEST[found[1]]:
        raise InvalidSpec(
            {"release": f"{release!r}: a kickstart is made for RHEL6 and newer, or F22 and newer; say which"}
        )
    return found[1], int(found[2])


def _network(want: Wanted, *, is_old: bool) -> str:
    line = "network --device=link --activate --onboot=yes"
    name = quote(f"--hostname={want.hostname}")
    static = want.static
    if static is None:
        return f"{line} --bootproto=dhcp {name}"
    if isinstance(static.address, IPv4Interface):
        where = f"--bootproto=static --ip={static.address.ip} --netmask={static.address.netmask}"
        gateway = f"--gateway={static.gateway}"
    elif is_old:
        raise InvalidSpec({"network": f"{want.install.network!r}: RHEL6's kickstart has no IPv6 gateway"})
    else:
        where, gateway = f"--noipv4 --ipv6={static.address}", f"--ipv6gateway={static.gateway}"
    servers = f" {quote('--nameserver=' + ','.join(static.servers))}" * bool(static.servers)
    return f"{line} {where} {quote(gateway)}{servers} {name}"


def _accounts(want: Wanted, *, is_old: bool, has_sshkey: bool) -> Iterator[str]:
    if is_old:
        yield "authconfig --enableshadow --passalgo=sha512"
    if want.root_password:
        yield f"rootpw --iscrypted {quote(want.root_password)}"
    else:
        yield "rootpw --lock --iscrypted '!'" if is_old else "rootpw --lock"
    if want.install.user:
        # Without a password it is locked.
        password = f" --iscrypted {quote(f'--password={want.password}')}" * bool(want.password)
        yield f"user --name={quote(want.install.user)} --groups=wheel{password}"
    if has_sshkey:
        yield from (f"sshkey --username={quote(want.account)} {quote(key)}" for key in want.keys)


def _disk(want: Wanted, *, is_old: bool) -> Iterator[str]:
    yield from ("bootloader --location=mbr", "zerombr", "clearpart --all --initlabel")
    if not is_old:
        yield f"autopart --type={want.install.partitioning}"
    elif want.install.partitioning == "lvm":
        yield "autopart"
    else:
        yield "part /boot --fstype=ext4 --size=500"
        yield "part swap --recommended"
        yield "part / --fstype=ext4 --size=2048 --grow"


def _post(script: str) -> str:
    for number, line in enumerate(script.splitlines(), 1):
        if line.split()[:1] and line.split()[0] in SECTION_WORDS:
            raise InvalidSpec(
                {"post": f"line {number}: it begins with {line.split()[0]}, where kickstart ends a script"}
            )
    return script if script.strip() else ""


def _section(head: str, body: str) -> list[str]:
    return ["", head, body.removesuffix("\n"), "%end"]


def check(text: str, release: str) -> Checked:
    """Have pykickstart's ksvalidator look at a kickstart, and name the lines it does not like.

    It runs as a program of its own, as its licence (GPL 2) is another than kvmkit's. Files that
    the kickstart includes are not looked at: they may not be there before the installation.
    """
    if not text.strip():
        return Checked(("line 1: it is empty",))
    lines = text.splitlines(keepends=True)
    appended = [number for number, line in enumerate(lines, 1) if line.strip().startswith(APPEND)]
    for number in appended:  # ksvalidator would ask the server that is named there
        lines[number - 1] = "#\n"
    result = _validate("".join(lines), release)
    if result.exit_code == NOT_FOUND:
        return Checked(
            notes=("the kickstart was not checked: pykickstart's ksvalidator is not installed here",)
        )
    said = result.stdout + result.stderr
    if "not supported by pykickstart" in said:
        raise InvalidSpec({"release": f"{release!r}: pykickstart knows no such syntax; see ksvalidator -l"})
    notes = [
        *_found(WARNING, said, lines),
        *(f"line {n}: what is appended there is not checked" for n in appended),
    ]
    if result.exit_code == 0:
        return Checked(notes=tuple(notes))
    problems = _found(FAULT, said, lines)
    # Nothing behind it was read, and where it is was not told.
    if "General error" in said:
        problems += [f"line {number}: a quotation mark is left open" for number in _unclosed(lines)]
    return Checked(tuple(problems) or (f"ksvalidator refuses it for {release}",), tuple(notes))


def _validate(text: str, release: str) -> Result:
    """Run ksvalidator, changed by ``hook/sitecustomize.py``: it warns as Anaconda does, and keeps no copy."""
    places = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    program = shutil.which("ksvalidator", path=places) or "ksvalidator"
    with TemporaryDirectory(prefix="kvmkit-") as folder:
        settings = [
            "LC_ALL=C.UTF-8",
            "LANGUAGE=C",
            "PYTHONDONTWRITEBYTECODE=1",
            f"TMPDIR={folder}",
            f"PYTHONPATH={HOOK}",
        ]
        argv = ["env", *settings, program, "-v", release, "/dev/stdin"]
        return Local("this machine").run(argv, text, timeout=120)


def _found(pattern: re.Pattern[str], said: str, lines: list[str]) -> list[str]:
    """List what is said of lines, without the values that are in them."""
    found = sorted({(int(number), what) for number, what in pattern.findall(said)})
    lines = [*lines, ""]  # the end of the file has a number, too
    return [f"line {number}: {_unvalued(what, lines[number - 1])}" for number, what in found]


def _unclosed(lines: list[str]) -> Iterator[int]:
    """Find the first command that cannot be split into words; ksvalidator does not tell where it is."""
    in_section = False
    for number, line in enumerate(lines, 1):
        word = (line.split() or [""])[0]
        if word.startswith("%"):
            in_section = word != "%end" and word not in ("%include", "%ksappend")
        elif not in_section:
            try:
                shlex.split(line, comments=True)
            except ValueError:
                yield number
                return


def _unvalued(message: str, line: str) -> str:
    """Take out of a message what may be a password: values of options, and words that are none."""
    message = re.sub(r"=\S+", "=…", message)
    for word in re.split(r"[\s\"'=]+", line)[1:]:
        if word and not word.startswith("-"):
            message = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "…", message)
    return message
