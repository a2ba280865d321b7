"""Autoinstall: answers for Ubuntu's installer, inside the user-data of its own cloud-init."""

from __future__ import annotations

from typing import Any

from kvmkit.install.answers.checked import Checked
from kvmkit.install.answers.cloudinit import HEAD, first_boot, is_cloud_config
from kvmkit.install.answers.wanted import Static, Wanted
from kvmkit.install.answers.yaml_text import as_yaml, lines, read

__all__ = ["autoinstall", "check"]

KNOWN = (
    *("active-directory", "apt", "codecs", "debconf-selections", "drivers", "early-commands"),
    *("error-commands", "identity", "interactive-sections", "kernel", "kernel-crash-dumps", "keyboard"),
    *("late-commands", "locale", "network", "oem", "packages", "proxy", "refresh-installer", "reporting"),
    *("shutdown", "snaps", "source", "ssh", "storage", "timezone", "ubuntu-pro", "updates", "user-data"),
    *("version", "zdevs"),
)
"""The keys of Ubuntu's autoinstall reference."""


def autoinstall(want: Wanted) -> str:
    """Write user-data with an autoinstall section.

    Accounts are in its ``user-data``, which the new system's cloud-init reads at its first
    boot: unlike ``identity`` it needs no password, and can speak of root.
    """
    layout = "lvm" if want.install.partitioning == "lvm" else "direct"
    section: dict[str, Any] = {
        "version": 1,
        "locale": want.install.locale,
        "keyboard": {"layout": want.install.keyboard},
        "timezone": want.install.timezone,
        "storage": {"layout": {"name": layout}},
        "ssh": {"install-server": True, "allow-pw": bool(want.password or want.root_password)},
        "user-data": first_boot(want),
        "shutdown": "reboot",
    }
    if want.static:
        section["network"] = _netplan(want.static)
    if want.packages:
        section["packages"] = list(want.packages)
    if want.install.post:
        section["late-commands"] = [["curtin", "in-target", "--", "sh", "-c", want.install.post]]
    return HEAD + as_yaml({"autoinstall": section})


def _netplan(static: Static) -> dict[str, Any]:
    """Describe the network as netplan has it; ``default`` is a route that older ones do not know."""
    card: dict[str, Any] = {
        "match": {"name": "e*"},
        "addresses": [str(static.address)],
        "routes": [{"to": "0.0.0.0/0" if static.address.version == 4 else "::/0", "via": static.gateway}],
    }
    if static.servers:
        card["nameservers"] = {"addresses": list(static.servers)}
    return {"version": 2, "ethernets": {"card": card}}


def check(text: str) -> Checked:
    """Look whether user-data has what Ubuntu's installer must be told.

    Its JSON schema comes in no package: what it asks for beyond this is known to the installer alone.
    """
    if not is_cloud_config(text):
        return Checked((f"line 1: user-data begins with {HEAD.strip()}",))
    data, problem = read(text)
    if problem:
        return Checked((problem,))
    line_of = lines(text)
    if not isinstance(data, dict) or not isinstance(data.get("autoinstall"), dict):
        return Checked((f"line {line_of.get('autoinstall', 1)}: there is no section autoinstall",))
    section, at = data["autoinstall"], line_of["autoinstall"]
    problems = []
    if section.get("version") != 1 or isinstance(section["version"], bool):
        problems.append(f"line {line_of.get('autoinstall.version', at)}: autoinstall needs version: 1")
    if not section.keys() & {"identity", "user-data", "interactive-sections"}:
        problems.append(f"line {at}: autoinstall needs identity or user-data, else nobody can log in")
    unknown = [str(name) for name in section if name not in KNOWN]
    notes = [
        f"line {line_of[f'autoinstall.{name}']}: Ubuntu's installer ignores {name!r}" for name in unknown
    ]
    notes.append("not held against Ubuntu's own schema, which no package has: the installer does that itself")
    return Checked(tuple(problems), tuple(notes))
