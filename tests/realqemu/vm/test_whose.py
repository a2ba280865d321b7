"""One row of each kind of the table in tests/disks: whose disk it is, by what the host's files are."""

import pytest

import kvmkit as kk
from tests.disks.scene import ELSEWHERE, LINKED, NAME, NOTATIONS, SYMBOLIC, Scene, scene
from tests.realqemu.vm.world import CONSOLES, IMAGES, World

ROWS = {
    "./ in the pool": (f"{IMAGES}/a", f"./{NAME}"),
    "relative": (f"{ELSEWHERE}/b", NOTATIONS["relative"]),
    "json:": (f"{LINKED}/c", NOTATIONS["json:"]),
    "file:": (f"{ELSEWHERE}/d", NOTATIONS["file:"]),
    "a hostile name": (f"{IMAGES}/-\n'\"ü", SYMBOLIC),
}


def test_a_disk_is_kept_as_long_as_anybody_needs_it(world: World) -> None:
    with scene(world) as stage:
        _kept(stage)


def _kept(stage: Scene) -> None:
    for number, (path, below) in enumerate(ROWS.values()):
        stage.image(path, below)
        if number != 4:  # libvirt's XML holds no line breaks in a path
            stage.world.define(f"vm{number}", path)
    stage.world.define("link", SYMBOLIC)
    stage.start("vm0")
    said = stage.users()
    assert "VM link, VM vm0, VM vm1, VM vm2, VM vm3, " in said
    assert f"volume {IMAGES}/a" in said
    with pytest.raises(kk.InvalidSpec, match=r"image: .* in use: link, owner "):
        kk.plan_vm(stage.host, kk.VMSpec(name="new", image=NAME, disk_gib=0))
    for name in ("link", "vm0", "vm1", "vm2", "vm3"):
        stage.remove(name)
    stage.remove_files(*(path for path, _ in ROWS.values()))
    assert stage.users() == ""


LOG = f"<serial type='pty'><log file='{CONSOLES}/{{name}}-console.log' append='off'/></serial>"


def test_a_console_log_of_another_vm_is_kept(world: World) -> None:
    """As a clone names that of its original."""
    world.define("original", more=LOG.format(name="original"))
    world.define("clone", more=LOG.format(name="original"))
    world.file(f"{CONSOLES}/original-console.log").write_text("said before")
    for name in ("clone", "original"):
        plan = kk.plan_undefine(world.host, name, delete_storage=True)
        assert [step.action for step in plan.steps] == ["vm-undefine"]
        assert any("original-console.log is kept: it is in use by VM" in note for note in plan.notes)
