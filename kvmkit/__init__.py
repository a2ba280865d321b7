"""kvmkit: KVM hosts and virtual machines from a notebook, checked, previewed and with a way back.

>>> import kvmkit as kk
>>> host = kk.connect("test:///default")
>>> plan = kk.plan_vm(host, kk.VMSpec(name="web1", memory_mib=1024, vcpus=1, disk_gib=10))
>>> report = kk.apply(plan)
>>> kk.vms(host).loc["web1", "state"]
'running'
>>> kk.undo(report).ok
True
"""

from pathlib import Path as _Path
from typing import Any as _Any

import lazy_loader as _lazy_loader

# A name is imported when it is first used: who looks at VMs waits for no widgets and no installer.
_imported, __dir__, __all__ = _lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> _Any:
    """Import a name; where libvirt-python is not there or not usable, say in one line what it needs."""
    try:
        return _imported(name)
    except ImportError as error:
        if error.name not in ("libvirt", "libvirtmod"):
            raise
        from kvmkit.errors import Unsupported  # noqa: PLC0415 - hardly ever needed

        needs = _Path(__file__).with_name("data").joinpath("libvirt-needs.txt").read_text(encoding="utf-8")
        lines = "; ".join(" ".join(line.split()) for line in needs.splitlines())
        raise Unsupported(
            f"kvmkit talks to hosts by libvirt-python, which cannot be used here: {error}. pip compiles it, "
            f"which needs libvirt's headers, pkg-config, a C compiler and Python's headers ({lines}). "
            "When they are there: pip install --force-reinstall --no-cache-dir libvirt-python"
        ) from error
