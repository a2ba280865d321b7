"""The kickstart file: read by pykickstart, and refused where the stand-in would not do what it says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pykickstart.errors import KickstartError, KickstartParseError
from pykickstart.parser import KickstartParser
from pykickstart.version import RHEL9, makeVersion

from tests.standin.installer.say import Refused, say

OBEYED = {
    *(
        "autopart",
        "bootloader",
        "clearpart",
        "cmdline",
        "graphical",
        "halt",
        "ignoredisk",
        "network",
        "partition",
    ),
    *(
        "part",
        "poweroff",
        "reboot",
        "reqpart",
        "rootpw",
        "services",
        "shutdown",
        "sshkey",
        "text",
        "timezone",
    ),
    *("url", "user", "zerombr", "timesource"),
}
WITHOUT_MEANING = {
    # On Debian, or without a screen. Said on the console, so that nobody takes them for done.
    *(
        "auth",
        "authselect",
        "eula",
        "firewall",
        "firstboot",
        "keyboard",
        "lang",
        "logging",
        "selinux",
        "skipx",
    ),
}


@dataclass(frozen=True)
class Answers:
    """What the file says; `commands` and `packages` are pykickstart's own."""

    commands: dict[str, Any]
    packages: Any
    scripts: list[Any]
    end: str


def read(path: Path) -> Answers:
    """Read it as Anaconda does, with its words for an error."""
    handler = makeVersion(RHEL9)
    try:
        KickstartParser(handler).readKickstart(str(path))
    except KickstartError as error:
        raise Refused(" ".join(str(error).split())) from error
    for name, command in handler.commands.items():
        # One object has several names: reboot, poweroff, halt and shutdown.
        if command and command.seen and name not in OBEYED:
            if name not in WITHOUT_MEANING:
                unknown = KickstartParseError(f"the stand-in does not obey {name}", lineno=command.lineno)
                raise Refused(" ".join(str(unknown).split()))
            say(f"left out: {name}")
    reboot = handler.commands["reboot"]
    # pykickstart's constants: 1 reboot, 2 shutdown, 0 wait for a key.
    end = {1: "reboot", 2: "poweroff"}.get(reboot.action, "") if reboot.seen else ""
    return Answers(handler.commands, handler.packages, handler.scripts, end)
