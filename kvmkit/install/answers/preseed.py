"""Preseed: answers for Debian's installer (Debian 11 to 13)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import urlsplit

from kvmkit.errors import InvalidSpec
from kvmkit.install.answers.checked import Checked
from kvmkit.install.answers.setup import allow_keys, allow_sudo
from kvmkit.install.answers.wanted import Wanted

__all__ = ["check", "preseed"]

TYPES = ("select", "boolean", "string", "multiselect", "note", "password", "text", "title", "seen")
"""Of answers, as debconf-set-selections(1) takes them."""
LOCKED = "!"
"""A hash that no password has (shadow(5))."""


def preseed(want: Wanted) -> str:
    """Write a preseed file: one answer a line, its value up to the line's end.

    No value can hold a line's end or close with a backslash, which would go on with the next
    line; scripts are in Base64.

    Raises
    ------
    InvalidSpec
        Debian's installer cannot be told that.
    """
    answers = [*_system(want), *_network(want), *_mirror(want.tree), *_accounts(want), *_disk(want)]
    packages = " ".join(["openssh-server", "sudo", *want.packages])
    answers += [
        "tasksel tasksel/first multiselect standard",
        f"d-i pkgsel/include string {packages}",
        "popularity-contest popularity-contest/participate boolean false",
        "d-i grub-installer/only_debian boolean true",
        "d-i grub-installer/bootdev string default",
        *_scripts(want),
        "d-i finish-install/reboot_in_progress note",
    ]
    return "".join(f"{line}\n" for line in answers)


def _system(want: Wanted) -> Iterator[str]:
    yield f"d-i debian-installer/locale string {want.install.locale}"
    yield f"d-i keyboard-configuration/xkb-keymap select {want.install.keyboard}"
    yield "d-i clock-setup/utc boolean true"
    yield f"d-i time/zone string {want.install.timezone}"
    yield "d-i clock-setup/ntp boolean false"


def _network(want: Wanted) -> Iterator[str]:
    name, _, domain = want.hostname.partition(".")
    yield "d-i netcfg/choose_interface select auto"
    yield f"d-i netcfg/hostname string {name}"
    yield f"d-i netcfg/get_hostname string {name}"
    yield f"d-i netcfg/get_domain string {domain}"
    if static := want.static:
        yield "d-i netcfg/disable_autoconfig boolean true"
        yield f"d-i netcfg/get_ipaddress string {static.address.ip}"
        yield f"d-i netcfg/get_netmask string {static.address.netmask}"
        yield f"d-i netcfg/get_gateway string {static.gateway}"
        yield f"d-i netcfg/get_nameservers string {' '.join(static.servers)}"
        yield "d-i netcfg/confirm_static boolean true"


def _mirror(location: str) -> Iterator[str]:
    """Say where packages are: in the tree's archive, which holds it below ``dists``; else on the CD."""
    if "\\" in location:
        raise InvalidSpec({"location": f"{location!r}: a URL without backslashes, please"})
    if not location:
        yield "d-i apt-setup/use_mirror boolean false"
        return
    parts = urlsplit(location)
    folder, _, rest = parts.path.partition("/dists/")
    yield "d-i mirror/country string manual"
    yield f"d-i mirror/protocol string {parts.scheme}"
    yield f"d-i mirror/{parts.scheme}/hostname string {parts.netloc}"
    yield f"d-i mirror/{parts.scheme}/directory string {folder.rstrip('/') or '/'}"
    yield f"d-i mirror/{parts.scheme}/proxy string"
    if suite := rest.partition("/")[0]:
        yield f"d-i mirror/suite string {suite}"


def _accounts(want: Wanted) -> Iterator[str]:
    has_root = bool(want.root_password) or not want.install.user
    yield f"d-i passwd/root-login boolean {str(has_root).lower()}"
    if has_root:
        yield f"d-i passwd/root-password-crypted password {want.root_password or LOCKED}"
    yield f"d-i passwd/make-user boolean {str(bool(want.install.user)).lower()}"
    if want.install.user:
        yield f"d-i passwd/user-fullname string {want.install.user}"
        yield f"d-i passwd/username string {want.install.user}"
        yield f"d-i passwd/user-password-crypted password {want.password or LOCKED}"


def _disk(want: Wanted) -> Iterator[str]:
    yield f"d-i partman-auto/method string {'lvm' if want.install.partitioning == 'lvm' else 'regular'}"
    yield "d-i partman-auto/choose_recipe select atomic"
    yield "d-i partman-auto-lvm/guided_size string max"
    for question in ("partman-lvm/device_remove_lvm", "partman-md/device_remove_md"):
        yield f"d-i {question} boolean true"
    for part in ("partman-lvm", "partman-partitioning", "partman", "partman-efi"):
        question = "non_efi_system" if part == "partman-efi" else "confirm"
        yield f"d-i {part}/{question} boolean true"
    yield "d-i partman-lvm/confirm_nooverwrite boolean true"
    yield "d-i partman-partitioning/confirm_write_new_label boolean true"
    yield "d-i partman/choose_partition select finish"
    yield "d-i partman/confirm_nooverwrite boolean true"


def _scripts(want: Wanted) -> Iterator[str]:
    setup = allow_keys(want.account, want.keys) if want.keys else ""
    if want.install.user:
        setup += allow_sudo(want.install.user, want.sudo)
    runs = [_run(script) for script in (setup, want.install.post) if script]
    if runs:
        yield f"d-i preseed/late_command string {' && '.join(runs)}"


def _run(script: str) -> str:
    """Give a command on one line that runs a script in the new system (/target), and fails if it fails."""
    text = b64encode(script.encode()).decode()
    return f"in-target sh -c 'f=$(mktemp) && echo {text} | base64 -d >$f && sh $f; r=$?; rm -f $f; exit $r'"


def check(text: str) -> Checked:
    """Look whether each line is an answer, by the rules of debconf-set-selections(1).

    Not by that program, which only Debian has and which needs debconf's database.
    """
    problems, number = [], 0
    parts: list[str] = []
    for at, line in enumerate(text.split("\n"), 1):
        number = number if parts else at
        parts.append(line.removesuffix("\\") or " ")
        if line.endswith("\\"):
            continue
        if what := _fault("".join(parts).removesuffix("\r")):
            problems.append(f"line {number}: {what}")
        parts = []
    return Checked(tuple(problems))


def _fault(line: str) -> str:
    if not line.strip() or line.lstrip().startswith("#"):
        return ""
    found = re.match(r"\s*(\S+)\s+(\S+)\s+(\S+)", line)
    if not found:
        return "an answer is OWNER QUESTION TYPE [VALUE], such as d-i time/zone string UTC"
    if found[3] not in TYPES:
        return f"the third word of an answer is its type, one of {', '.join(TYPES)}"
    return ""
