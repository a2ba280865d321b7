"""cloud-init's NoCloud: answers for a disk image that is already installed, read at its first boot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kvmkit.commands import NOT_FOUND, Local
from kvmkit.install.answers.checked import Checked
from kvmkit.install.answers.wanted import Static, Wanted
from kvmkit.install.answers.yaml_text import as_yaml, lines, read

__all__ = ["HEAD", "check", "cloud_config", "first_boot", "is_cloud_config", "meta_data", "network_config"]

HEAD = "#cloud-config\n"
HEAD_LINE = re.compile(r"\s*#cloud-config(?![\w-])[^\n]*(\n|$)", re.IGNORECASE)
OTHERS = (
    "#!",
    "#include",
    "#cloud-boothook",
    "#part-handler",
    "## template: jinja",
    "#cloud-config-archive",
    "#cloud-config-jsonp",
    "Content-Type:",
    "MIME-",
)
"""How user-data of other kinds begin."""
SAYS = re.compile(
    r"(Additional properties .*|is not (valid under|of type|one of) .*|does not match .*|is too (short|long)"
    r"|has non-unique elements|is (less|greater) than .*|'[\w-]+' is a required property)$"
)
"""The part of a message of jsonschema that holds no value."""


def cloud_config(want: Wanted) -> str:
    """Write user-data."""
    data = first_boot(want)
    if want.packages:
        data |= {"package_update": True, "packages": list(want.packages)}
    if want.install.post:
        data["runcmd"] = [["sh", "-c", want.install.post]]
    return HEAD + as_yaml(data)


def first_boot(want: Wanted) -> dict[str, Any]:
    """Give what cloud-init sees to in every system: name, accounts, language and time."""
    name, _, domain = want.hostname.partition(".")
    data: dict[str, Any] = {"hostname": name}
    if domain:
        data["fqdn"] = want.hostname
    # "us" it is anyway, and to set it takes packages that images leave out.
    if want.install.keyboard != "us":
        data["keyboard"] = {"layout": want.install.keyboard}
    # Without any, the image makes the one account it is meant to have.
    if users := [user for user in (_user(want), _root(want)) if user]:
        data["users"] = users
    return data | {
        "disable_root": not (want.root_password or want.account == "root"),
        "ssh_pwauth": bool(want.password or want.root_password),
        "locale": want.install.locale,
        "timezone": want.install.timezone,
    }


def _user(want: Wanted) -> dict[str, Any]:
    if not want.install.user:
        return {}
    user = {"name": want.install.user, "shell": "/bin/bash", "sudo": want.sudo}
    return user | _login(want.password, want.keys)


def _root(want: Wanted) -> dict[str, Any]:
    keys = want.keys if want.account == "root" else ()
    return {"name": "root"} | _login(want.root_password, keys) if keys or want.root_password else {}


def _login(password: str, keys: tuple[str, ...]) -> dict[str, Any]:
    login: dict[str, Any] = {"lock_passwd": not password}
    if password:
        login["hashed_passwd"] = password
    if keys:
        login["ssh_authorized_keys"] = list(keys)
    return login


def meta_data(vm_name: str) -> str:
    """Name the instance: what cloud-init did for one, it does again for another."""
    return as_yaml({"instance-id": vm_name})


def network_config(static: Static, mac: str) -> str:
    """Write network-config, which is needed only for an address that stays, in version 2.

    Outside Ubuntu cloud-init itself writes interfaces, ifcfg or other files from it. They know no
    patterns of names, so the card gets a name by its MAC address if that is known; and of a route
    to everywhere cloud-init makes nonsense for IPv6 (``::/64``), so it is given as a gateway.
    """
    card: dict[str, Any] = {"match": {"name": "e*"}}
    if mac:
        card = {"match": {"macaddress": mac}, "set-name": "eth0"}
    card |= {"addresses": [str(static.address)], f"gateway{static.address.version}": static.gateway}
    if static.servers:
        card["nameservers"] = {"addresses": list(static.servers)}
    return as_yaml({"version": 2, "ethernets": {"eth0": card}})


def check(text: str) -> Checked:
    """Look whether user-data is a cloud-config, by cloud-init's own schema where it is installed."""
    if text.lstrip().lower().startswith(tuple(map(str.lower, OTHERS))):
        return Checked(notes=("the user-data was not checked: it is no cloud-config, but of another kind",))
    if not is_cloud_config(text):
        return Checked((f"line 1: user-data begins with {HEAD.strip()}",))
    data, problem = read(text)
    if not problem and not isinstance(data, dict):
        problem = "line 2: what follows is KEY: VALUE lines"
    if problem:
        return Checked((problem,))
    return _by_schema(text)


def is_cloud_config(text: str) -> bool:
    """Whether user-data is a cloud-config to cloud-init, which passes over blanks and capitals there."""
    return HEAD_LINE.match(text) is not None


def _by_schema(text: str) -> Checked:
    """Have cloud-init itself look; it names paths, not lines (and its ``--annotate`` fails on some)."""
    argv = ["env", "LC_ALL=C.UTF-8", "cloud-init", "schema", "--config-file", "/dev/stdin"]
    head = HEAD_LINE.match(text) or [""]
    # Its check of the head is narrower than what it takes at boot.
    result = Local("this machine").run(argv, HEAD + text.removeprefix(head[0]), timeout=120)
    if result.exit_code == NOT_FOUND:
        return Checked(notes=("not held against cloud-init's own schema: cloud-init is not installed here",))
    if result.exit_code == 0:
        return Checked()
    _, _, said = (result.stdout + result.stderr).partition("schema errors: ")
    # All faults are in one line; cloud-init 25 adds another, which says that there are some.
    said = said.partition("\n")[0]
    return Checked(tuple(_faults(said, lines(text))) or ("cloud-init's own schema check refuses it",))


def _faults(said: str, line_of: dict[str, int]) -> Iterator[str]:
    """Read ``PATH: MESSAGE, PATH: MESSAGE …``; a message begins with the value, which is left out."""
    starts = [found for found in re.finditer(r"(?:^|, )([\w.-]+): ", said) if found[1] in line_of]
    ends = [found.start() for found in starts[1:]] + [len(said)]
    faults = {
        (line_of[found[1]], found[1], message[0] if message else "not as cloud-init has it")
        for found, end in zip(starts, ends, strict=True)
        for message in [SAYS.search(said[found.end() : end].strip())]
    }
    return (f"line {number}: {path}: {message}" for number, path, message in sorted(faults))
