"""`kk.vms` on a host with 1,000 inactive VMs."""

import subprocess
from collections.abc import Sequence
from functools import partial

import libvirt

import kvmkit as kk
from tests.bench.measure import Row, alternate, compare, seconds

COUNT = 1000
ROUNDS = 31
FIELDS = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_BALLOON
XML = """<domain type='qemu'>
  <name>bench-{number:04}</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
</domain>"""


def rows(virsh: Sequence[str]) -> list[Row]:
    """`virsh` is the argv that runs it on the host; the raw call is libvirt-python's, by its own objects."""
    connection = libvirt.open("qemu:///system")
    for number in range(COUNT):
        domain = connection.defineXML(XML.format(number=number))
        domain.setAutostart(number % 20 == 0)
    host = kk.connect("qemu:///system")
    listed = kk.vms(host)
    if (len(listed), listed["autostart"].sum()) != (COUNT, COUNT // 20):
        raise RuntimeError(f"kk.vms lists {len(listed)} VMs of {COUNT}")

    ours = partial(seconds, partial(kk.vms, host))
    raw = partial(seconds, partial(connection.getAllDomainStats, FIELDS))
    process = partial(
        seconds, partial(subprocess.run, [*virsh, "list", "--all"], stdout=subprocess.DEVNULL, check=True)
    )
    name, stats, listing = (
        f"`kk.vms(host)`, {COUNT:,} VMs",
        "one `getAllDomainStats`",
        "`virsh list --all`",
    )
    return [
        compare(name, stats, alternate(ROUNDS, ours, raw), bound=1.5),
        compare(name, listing, alternate(ROUNDS, ours, process), bound=0.1),
        compare(stats, listing, alternate(ROUNDS, raw, process), bound=None),
    ]
