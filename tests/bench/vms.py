"""`kk.vms` on a host with 1,000 VMs that are off."""

import subprocess
from collections.abc import Sequence
from functools import partial

import libvirt

import kvmkit as kk
from tests.bench.measure import Row, alternate, compare, seconds

COUNT, ROUNDS = 1000, 31
FEW = 20
"""VMs of a smoke."""
FIELDS = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_BALLOON
XML = """<domain type='qemu'>
  <name>bench-{number:04}</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
</domain>"""


def rows(virsh: Sequence[str], *, smoke: bool) -> list[Row]:
    """`virsh` is the argv that runs it on the host; the raw call is libvirt-python's, by its own objects."""
    count, rounds = (FEW, 1) if smoke else (COUNT, ROUNDS)
    connection = libvirt.open("qemu:///system")
    for number in range(count):
        domain = connection.defineXML(XML.format(number=number))
        domain.setAutostart(number % 20 == 0)
    host = kk.connect("qemu:///system")
    listed = kk.vms(host)
    if (len(listed), listed["autostart"].sum()) != (count, count // 20):
        raise RuntimeError(f"kk.vms lists {len(listed)} VMs of {count}")

    ours = partial(seconds, partial(kk.vms, host))
    raw = partial(seconds, partial(connection.getAllDomainStats, FIELDS))
    process = partial(
        seconds, partial(subprocess.run, [*virsh, "list", "--all"], stdout=subprocess.DEVNULL, check=True)
    )
    name, stats, listing = (
        f"`kk.vms(host)`, {count:,} VMs",
        "one `getAllDomainStats`",
        "`virsh list --all`",
    )
    return [
        compare(name, stats, alternate(rounds, ours, raw), bound=1.4),
        # Only told: libvirt's own call, in the last row, is the least that this can be.
        compare(name, listing, alternate(rounds, ours, process), bound=None),
        compare(stats, listing, alternate(rounds, raw, process), bound=None),
    ]
