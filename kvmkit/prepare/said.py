"""What package managers say while they work, in one form for all."""

from __future__ import annotations

import re

__all__ = ["doing"]

_LINES = (
    # apt-get: "Get:3 URL bookworm/main amd64 libvirt0 amd64 9.0.0-4 [384 kB]",
    # of a flat repository "Get:3 URL ./ libvirt0 9.0.0-4 [384 kB]"
    ("downloading", r"Get:\d+ \S+ (?:\./|\S+ \S+) (\S+) (?:\S+ )?\S+ \["),
    ("unpacking", r"Unpacking (\S+) \("),
    ("setting up", r"Setting up (\S+) \("),
    ("removing", r"(?:Removing|Purging configuration files for) (\S+) \("),
    # dnf 4: "(2/9): alpha-1.0-1.noarch.rpm   12 kB/s | 6 kB  00:00"; without the count if it is the only one
    ("downloading", r"(?:\(\d+/\d+\): )?(\S+)\.rpm +.*\|"),
    ("installing", r" +(?:Installing|Upgrading) +: (\S+)"),
    ("removing", r" +(?:Erasing|Cleanup) +: (\S+)"),
    # dnf 5: "[2/9] Installing alpha-0:1.0-1.noarch 100% | ..."
    ("installing", r"\[ *\d+/\d+\] (?:Installing|Upgrading) (\S+)"),
    ("removing", r"\[ *\d+/\d+\] Removing (\S+)"),
    # zypper: <download url="URL/alpha-1.0-1.noarch.rpm"/>, <progress ... name="(2/9) Installing: alpha-1"/>
    ("downloading", r"<download .*url=\"[^\"]*/([^\"/]+)\.rpm\""),
    ("installing", r"<progress .*name=\"(?:\(\d+/\d+\) )?Installing: ([^\" ]+)"),
    ("removing", r"<progress .*name=\"(?:\(\d+/\d+\) )?Removing:? ([^\" ]+)"),
)
_DOING = tuple((verb, re.compile(line)) for verb, line in _LINES)


def doing(line: str) -> str:
    """Say what a line of apt-get, dnf or zypper tells of a package; empty if it is about none.

    >>> doing("Setting up libvirt0:amd64 (9.0.0-4+deb12u2) ...")
    'setting up libvirt0:amd64'
    """
    return next((f"{verb} {found[1]}" for verb, pattern in _DOING if (found := pattern.match(line))), "")
