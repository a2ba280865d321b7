"""`make virtual-host`, as a person starts and ends it."""

import itertools
import os
import re
import signal
import subprocess
from pathlib import Path

from tests import written
from tests.acceptance.test_host import processes_with
from tests.lab.waiting import wait_until


def test_make_starts_a_virtual_host_until_ctrl_c() -> None:
    argv = written.argv("make virtual-host")
    # A session of its own, as Ctrl-C reaches all that was started in a terminal.
    with subprocess.Popen(
        argv, cwd=written.ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as owner:
        try:
            assert owner.stdout is not None
            told = "".join(itertools.takewhile(lambda line: line != "Ctrl-C ends it.\n", owner.stdout))
            uri = re.search(r'^  uri = "qemu\+ssh://root@vhost/system\?command=(\S+)"$', told, re.MULTILINE)
            assert uri, told
            ssh = Path(uri[1])
            done = subprocess.run(
                [ssh, "vhost", "virsh", "uri"], capture_output=True, text=True, timeout=60, check=True
            )
            assert done.stdout.strip() == "qemu:///system"
        finally:
            os.killpg(owner.pid, signal.SIGINT)
            owner.wait(60)
    wait_until(lambda: not processes_with(ssh.parent), "QEMU gone")
