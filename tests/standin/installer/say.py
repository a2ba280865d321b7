"""What every part of the installer needs: a line on the console, a command, an error."""

import subprocess
import sys
from pathlib import Path

TARGET = Path("/mnt/sysimage")
"""Anaconda's name for where the new system is mounted."""


class InstallError(Exception):
    """The installation cannot go on; the text says why."""


class Refused(InstallError):
    """The kickstart file is at fault; the text names its line."""


def say(text: str) -> None:
    """Print a line on the console."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(*argv: str, given: str = "") -> str:
    """Run a command and return what it printed; raises InstallError with its last words."""
    done = subprocess.run(argv, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        words = " ".join((done.stderr + done.stdout).split())[-400:]
        raise InstallError(f"{argv[0]} ended with {done.returncode}: {words}")
    return done.stdout


def inside(*argv: str, given: str = "") -> str:
    """Run a command in the new system."""
    return run("chroot", str(TARGET), *argv, given=given)
