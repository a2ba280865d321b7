"""Runs one command and ends it when the owner has ended, however that ends, or when told to by SIGTERM.

A process of its own, with the standard library alone: only its parent's death can be relied on to reach QEMU
(PR_SET_PDEATHSIG follows the thread that forked, and this process has a single one).
"""

import os
import select
import signal
import subprocess
import sys


def main(owner: int, argv: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    command = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv])
    try:
        select.select([owner, os.pidfd_open(command.pid)], [], [])
    finally:
        command.kill()
        command.wait()
    return command.returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
