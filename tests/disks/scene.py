"""A disk of one VM, and others who need it in every way that libvirt and QEMU have for that."""

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import libvirt

import kvmkit as kk
from kvmkit.plan import Plan
from kvmkit.vm.ownership import mark
from kvmkit.vm.storage import delete_volume
from tests.realqemu.vm.world import DISK, IMAGES, VM, World

NAME = "base.qcow2"
BASE = f"{IMAGES}/{NAME}"
ELSEWHERE = "/srv/elsewhere"
LINKED = "/srv/linked"
"""A folder that is a symbolic link to the pool's."""
SYMBOLIC, HARD = f"{IMAGES}/symbolic.qcow2", f"{IMAGES}/hard.qcow2"

NOTATIONS: dict[str, str] = {
    "absolute": BASE,
    "dots": f"{IMAGES}/./../images//{NAME}",
    "relative": f"../../../../../../var/lib/libvirt/images/{NAME}",
    "in the same folder": NAME,
    "in the same folder, with a dot": f"./{NAME}",
    "file:": f"file:{BASE}",
    "json:": f'json:{{"driver":"qcow2","file":{{"driver":"file","filename":"{BASE}"}}}}',
    "json:, flat": f'json:{{"file.filename": "{BASE}", "driver": "qcow2"}}',
    "json:, nested": (
        'json:{"driver":"throttle","throttle-group":"g","file":{"driver":"qcow2","file":{"driver":"file",'
        f'"filename":"{BASE.replace("/", chr(92) + "u002f")}"}}}}}}'
    ),
    "by a linked folder": f"{LINKED}/{NAME}",
    "by a symbolic link": SYMBOLIC,
    "by a hard link": HARD,
}
"""How an image names the one below it."""
PLACES = {"in the pool": IMAGES, "elsewhere": ELSEWHERE, "by a linked folder": LINKED}
"""Where the image is, as its VM names it."""
STARTS = {"absolute", "dots", "json:", "json:, flat"} | {
    name for name in NOTATIONS if name.startswith(("relative", "in ", "by "))
}
"""Those that libvirt itself reads, so that a VM starts on them."""


@dataclass
class Scene:
    """The host, with the VM `owner` whose disk kvmkit made."""

    world: World

    @property
    def host(self) -> kk.Host:
        return self.world.host

    def image(self, path: str, below: str) -> str:
        """Make an image as anybody may, by qemu-img, whether or not there is something below."""
        made = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-u", "-b", below, path, "1G"]
        self.world.lab.run(["sh", "-c", f"cd / && {shlex.join(made)}"])
        return path

    def plan(self) -> Plan:
        return kk.plan_undefine(self.host, "owner", delete_storage=True)

    def users(self) -> str:
        """What planning says of who needs the disk; deleting has to agree. Empty: it may go."""
        plan = self.plan()
        planned = [step.args["path"] for step in plan.steps if step.action == "volume-delete"]
        said = [note for note in plan.notes if note.startswith(f"{BASE} is kept: it is in use by ")]
        assert planned == ([] if said else [BASE])
        # At the time, the owner is undefined already; here its own use is left aside by undefining it.
        with self.without_owner():
            assert bool(said) == self.deleting_is_refused()
        return said[0] if said else ""

    def deleting_is_refused(self) -> bool:
        if not self.world.file(BASE).exists():
            raise AssertionError("the disk is gone already")
        step = delete_volume("default", NAME, BASE)
        copy = self.world.file(f"{BASE}.saved")
        try:
            if not copy.exists():
                copy.hardlink_to(self.world.file(BASE))
            kk.apply(Plan(uri=self.host.uri, title=f"delete {NAME}", steps=(step,)))
        except kk.ApplyFailed as error:
            return "it is kept" in str(error)
        finally:
            if not self.world.file(BASE).exists():
                self.world.file(BASE).hardlink_to(copy)
            copy.unlink()
        self.world.lab.run(["virsh", "pool-refresh", "default"])
        return False

    @contextlib.contextmanager
    def without_owner(self) -> Iterator[None]:
        with self.host.changing("undefine owner") as connection:
            connection.lookupByName("owner").undefine()
        yield
        self.define_owner()

    def define_owner(self) -> None:
        xml = VM.format(name="owner", devices=DISK.format(path=BASE, letter="a"))
        with self.host.changing("define owner") as connection:
            connection.defineXML(mark(xml, "token", [BASE]))

    def start(self, name: str) -> None:
        """Have a VM run, without its guest taking a processor."""
        with self.host.changing(f"start {name}") as connection:
            connection.lookupByName(name).createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)

    def remove(self, name: str) -> None:
        """Have a VM go, whatever it has."""
        with self.host.changing(f"remove {name}") as connection:
            domain = connection.lookupByName(name)
            if domain.isActive():
                domain.destroy()
            if domain.isPersistent():
                domain.undefineFlags(
                    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                )

    def remove_files(self, *paths: str) -> None:
        self.world.lab.run(["rm", "-f", "--", *paths])


@contextlib.contextmanager
def scene(world: World) -> Iterator[Scene]:
    """Set it up, and clear it away."""
    world.lab.run(["mkdir", "-p", ELSEWHERE])
    world.lab.run(["ln", "-sfn", IMAGES, LINKED])
    world.volume(NAME)
    world.lab.run(["ln", "-s", BASE, SYMBOLIC])
    world.lab.run(["ln", BASE, HARD])
    found = Scene(world)
    found.define_owner()
    try:
        yield found
    finally:
        world.lab.run(["sh", "-c", f"rm -rf {ELSEWHERE} {LINKED} {SYMBOLIC} {HARD} {BASE}.saved"])
