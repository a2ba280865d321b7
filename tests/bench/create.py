"""Making a VM from an image: `kk.plan_vm` and `kk.apply` beside libvirt's own calls and virt-install."""

import shlex
import subprocess
from collections.abc import Callable
from itertools import count

import libvirt

import kvmkit as kk
from tests.bench.measure import Row, Side, alternate, compare, seconds

ROUNDS = 21
IMAGE = """<volume>
  <name>bench-base.qcow2</name><capacity unit='GiB'>1</capacity><target><format type='qcow2'/></target>
</volume>"""


def rows(*, smoke: bool) -> list[Row]:
    """Make and remove a VM in each round; what is timed ends when QEMU runs, and leaves out the removal."""
    connection = libvirt.open("qemu:///system")
    connection.storagePoolLookupByName("default").createXML(IMAGE)
    host = kk.connect("qemu:///system")
    # The other sides' VM is as kvmkit has planned it: the same disk and the same devices.
    other = kk.plan_vm(host, _spec("bench-other"))

    def made(name: str, make: Callable[[], object]) -> float:
        took = seconds(make)
        _remove(connection, name)
        return took

    # A new name each time, as for a VM of one's own: the journal then holds nothing of the same plan.
    specs = (_spec(f"bench-{number}") for number in count())

    def apply() -> float:
        plan = kk.plan_vm(host, spec := next(specs))
        return made(spec.name, lambda: kk.apply(plan))

    def plan_and_apply() -> float:
        spec = next(specs)
        return made(spec.name, lambda: kk.apply(kk.plan_vm(host, spec)))

    def calls() -> float:
        return made("bench-other", lambda: _make(connection, other))

    def virt_install() -> float:
        argv = [*shlex.split(other.shown["The command it stands for"]), "--noautoconsole"]
        return made("bench-other", lambda: subprocess.run(argv, stdout=subprocess.DEVNULL, check=True))

    def row(what: str, beside: str, ours: Side, theirs: Side) -> Row:
        return compare(what, beside, alternate(1 if smoke else ROUNDS, ours, theirs), bound=1.2)

    return [
        row("`kk.apply` of a VM from an image", "libvirt's calls", apply, calls),
        row("`kk.plan_vm` and `kk.apply`", "`virt-install`", plan_and_apply, virt_install),
    ]


def _spec(name: str) -> kk.VMSpec:
    # With less memory, virt-install warns each time. QEMU takes only what the guest touches: nothing.
    return kk.VMSpec(name=name, memory_mib=2048, disk_gib=0, image="bench-base.qcow2")


def _make(connection: libvirt.virConnect, plan: kk.Plan) -> None:
    """Make the plan's VM by libvirt's calls alone, from the plan's own XML."""
    volume, definition, _start = (step.args for step in plan.steps)
    connection.storagePoolLookupByName(volume["pool"]).createXML(volume["xml"])
    connection.defineXML(definition["xml"]).create()


def _remove(connection: libvirt.virConnect, name: str) -> None:
    """Remove a VM, which has to run, and its disk."""
    domain = connection.lookupByName(name)
    domain.destroy()
    domain.undefine()
    connection.storagePoolLookupByName("default").storageVolLookupByName(f"{name}.qcow2").delete()
