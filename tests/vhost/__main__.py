"""`make virtual-host`: a KVM host to practise on that may be broken, for as long as this runs."""

import contextlib
import sys

from tests.vhost import image, selinux
from tests.vhost.host import NAME, VirtualHost, unavailable
from tests.vhost.pristine import pristine

BUILDING = "Building the virtual host ({kind}) once; that takes 5 to 15 minutes and 4 GB in {folder} ..."
RUNNING = """
A KVM host to practise on. Break it: nothing of it is kept.

  uri = "{uri}"

Put that line into the first cell of a runbook, or run one from a terminal:

  .venv/bin/papermill notebooks/10-check-host.ipynb /tmp/checked.ipynb -p uri '{uri}'

A shell on it:

  {ssh} {name}
"""
GUEST = """
A small system for VMs is there to boot:

  kernel = "{host.kernel}"
  initrd = "{host.initrd}"
  kernel_args = "console=ttyS0 quiet"
"""


def main(kind: str) -> str:
    """Run until interrupted, or until the machine is switched off from inside; return what failed."""
    kinds = (*image.PACKAGES, "selinux")
    if kind not in kinds:
        return f"there is no image {kind!r}; there are {', '.join(kinds)}"
    if reason := unavailable():
        return reason
    path = selinux.path() if kind == "selinux" else image.path(kind)
    if not path.exists():
        say(BUILDING.format(kind=kind, folder=path.parent))
    with contextlib.suppress(KeyboardInterrupt), pristine(kind) as host:
        say(told(host, kind))
        host.wait()
    return ""


def told(host: VirtualHost, kind: str) -> str:
    text = RUNNING.format(uri=host.uri, ssh=host.ssh_command, name=NAME)
    return f"{text}{GUEST.format(host=host) if kind != 'bare' else ''}\nCtrl-C ends it."


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (it talks to a person at a terminal)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) or 0)
