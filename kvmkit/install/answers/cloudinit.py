"""cloud-init's NoCloud: answers for a disk image that is already installed, read at its first boot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from kvmkit.commands import NOT_FOUND, Local
from kvmkit.install.answers.checked import Checked
from kvmkit.install.answers.wanted import Static, Wanted

__all__ = ["as_yaml", "check", "cloud_config", "first_boot", "meta_data", "netplan", "network_config", "read"]

HEAD = "#cloud-config\n"
OTHERS = (
    "#!",
    "#include",
    "#cloud-boothook",
    "#part-handler",
    "## template: jinja",
    "Content-Type:",
    "MIME-",
)
"""How user-data of other kinds begin."""
SAYS = re.compile(
    r"(Additional properties .*|is not (valid under|of type|one of) .*|does not match .*|is too (short|long)"
    r"|has non-unique elements|is (less|greater) than .*|'[\w-]+' is a required property)$"
)
"""The part of a message of jsonschema that holds no value."""


def as_yaml(data: dict[str, Any]) -> str:
    """Give data as YAML that any YAML 1.1 reader understands alike."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000)


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
    return data | {
        "users": [user for user in (_user(want), _root(want)) if user],
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
    """Write network-config, which is needed only for an address that stays."""
    return as_yaml(netplan(static, mac))


def netplan(static: Static, mac: str) -> dict[str, Any]:
    """Describe the network in version 2, which is netplan's.

    By the MAC address, and with a name, as not only netplan reads it: elsewhere cloud-init
    writes ifcfg or interfaces files from it, which know no patterns of names.
    """
    match = {"match": {"macaddress": mac}, "set-name": "eth0"} if mac else {"match": {"name": "e*"}}
    every = "0.0.0.0/0" if static.address.version == 4 else "::/0"
    card: dict[str, Any] = match | {
        "addresses": [str(static.address)],
        "routes": [{"to": every, "via": static.gateway}],
    }
    if static.servers:
        card["nameservers"] = {"addresses": list(static.servers)}
    return {"version": 2, "ethernets": {"eth0": card}}


def read(text: str) -> tuple[Any, str]:
    """Read YAML; the second is what is wrong with it, with its line."""
    try:
        return yaml.safe_load(text), ""
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        return None, f"{where}not YAML: {error.problem or error.context}"
    except yaml.YAMLError as error:  # a character that YAML does not allow
        number = text[: getattr(error, "position", 0)].count("\n") + 1
        return None, f"line {number}: not YAML: {getattr(error, 'reason', 'a wrong character')}"


def check(text: str) -> Checked:
    """Look whether user-data is a cloud-config, by cloud-init's own schema where it is installed."""
    if text.startswith(OTHERS):
        return Checked(notes=("the user-data was not checked: it is no cloud-config, but of another kind",))
    if text.splitlines()[:1] != [HEAD.strip()]:
        return Checked((f"line 1: user-data begins with {HEAD.strip()}",))
    data, problem = read(text)
    if not problem and not isinstance(data, dict):
        problem = "line 2: what follows is KEY: VALUE lines"
    if problem:
        return Checked((problem,))
    return by_schema(text)


def by_schema(text: str) -> Checked:
    """Have cloud-init itself look at a cloud-config."""
    argv = ["env", "LC_ALL=C.UTF-8", "cloud-init", "schema", "--annotate", "--config-file", "/dev/stdin"]
    result = Local("this machine").run(argv, text, timeout=120)
    if result.exit_code == NOT_FOUND:
        return Checked(notes=("not held against cloud-init's own schema: cloud-init is not installed here",))
    if result.exit_code == 0:
        return Checked()
    problems = tuple(_annotated((result.stdout + result.stderr).splitlines()))
    return Checked(problems or ("cloud-init's own schema check refuses it",))


def _annotated(lines: list[str]) -> Iterator[str]:
    """Give the errors in a cloud-config that cloud-init has written ``# E1`` behind the wrong lines of."""
    start = lines.index(HEAD.strip()) if HEAD.strip() in lines else 0
    messages = dict(re.findall(r"(?m)^# (E\d+): (.*)$", "\n".join(lines)))
    for number, line in enumerate(lines[start:], 1):
        if found := re.search(r"\t# ((?:E\d+,?)+)", line):
            for label in found[1].split(","):
                said = SAYS.search(messages.get(label, ""))
                yield f"line {number}: {said[0] if said else 'not as cloud-init has it'}"
