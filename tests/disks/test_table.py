"""A disk is kept wherever another VM or image needs it, and deleted where nobody does: notation and place.

All rows are set up on one host, which is looked at once; each row is then judged by itself.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

import kvmkit as kk
from kvmkit.vm.uses import read_uses
from kvmkit.vm.whose import Uses, users_of
from tests.disks.scene import BASE, NOTATIONS, PLACES, STARTS, Scene, scene
from tests.lab.lab import Lab
from tests.realqemu.vm.world import World

ROWS = {
    f"{notation}, {place}, {state}": (notation, place, state)
    for notation in NOTATIONS
    for place in PLACES
    for state in ("off", "running")
    if not (state == "running" and notation not in STARTS)  # libvirt does not read them, and starts no VM
    if not (notation.startswith("in the same folder") and place == "elsewhere")  # the disk is not in there
}


@pytest.fixture(scope="module")
def stage(lab: Lab) -> Iterator[Scene]:
    with scene(World(lab, kk.connect(lab.ssh_uri))) as found:
        yield found


def vm_of(row: str) -> str:
    return f"vm{list(ROWS).index(row)}"


@pytest.fixture(scope="module")
def paths(stage: Scene, request: pytest.FixtureRequest) -> dict[str, str]:
    """Make image and VM of each row that is asked for; the images' paths."""
    asked = {item.callspec.params["row"] for item in request.session.items if hasattr(item, "callspec")}
    paths = {}
    for row, (notation, place, state) in ROWS.items():
        if row in asked:
            paths[row] = stage.image(f"{PLACES[place]}/{vm_of(row)}.qcow2", NOTATIONS[notation])
            stage.world.define(vm_of(row), paths[row])
            if state == "running":
                stage.start(vm_of(row))
    return paths


@pytest.fixture(scope="module")
def uses(stage: Scene, paths: dict[str, str]) -> Uses:
    with stage.host.reading("look who uses the disk") as connection:
        return read_uses(stage.host, connection, [BASE], but="owner")


@pytest.mark.parametrize("row", ROWS)
def test_an_image_on_the_disk_keeps_it(uses: Uses, paths: dict[str, str], row: str) -> None:
    vm = f"VM {vm_of(row)}"
    own = [reference for reference in uses.references if reference.user == vm]
    assert users_of(BASE, own, replace(uses.files, listed=())) == [vm]

    volume = paths[row].replace("/srv/linked", "/var/lib/libvirt/images")
    listed = tuple(path for path in uses.files.listed if path == volume)
    assert users_of(BASE, [], replace(uses.files, listed=listed)) == [f"volume {path}" for path in listed]
    assert bool(listed) == (ROWS[row][1] != "elsewhere")


def test_the_disk_goes_when_nobody_needs_it_any_more(stage: Scene, paths: dict[str, str]) -> None:
    assert "VM vm" in stage.users()
    for row in paths:
        stage.remove(vm_of(row))
    stage.remove_files(*paths.values())
    assert stage.users() == ""
