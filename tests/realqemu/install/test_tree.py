"""Installing from a tree, on a real libvirtd and QEMU: both phases, and each way in which it can fail."""

import os
import re
from pathlib import Path

import pytest

import kvmkit as kk
from tests.realqemu.install import tiny
from tests.realqemu.vm.world import World


def seen(report: kk.Report) -> list[str]:
    return [row.found for row in report.checks if re.fullmatch(r"\d+ s", row.check)]


def test_the_installer_runs_then_the_disk_and_nothing_of_the_installer_is_left(
    world: World, location: str, printed: list[str]
) -> None:
    before, plan = world.state(), tiny.plan(world.host, location, tiny.ENDS)
    report = kk.apply(plan)

    assert seen(report) == ["power on", "the kernel runs", "it restarts", "the installer has ended"]
    xml = world.xml("small", kept=True)
    assert xml.find("os/kernel") is None
    assert xml.findtext("on_reboot") == "restart"
    assert kk.vms(world.host).loc["small", "state"] == "running"
    assert [name for name in kk.volumes(world.host).index if "small" in name] == ["small.qcow2"]
    assert_only_the_guest_saw_the_hash(printed[-1], repr(plan), plan.model_dump_json(), str(plan.shown))

    assert {row.found for row in kk.apply(plan).checks} == {"already so"}
    assert kk.undo(report).ok
    assert world.state() == before


@pytest.mark.parametrize("arguments", [tiny.HALTS, tiny.STAYS], ids=["halts", "waits"])
def test_an_installer_that_is_done_and_leaves_the_vm_on_has_ended(
    world: World, location: str, arguments: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvmkit.install.watch.OFF_SECONDS", 3)  # the tiny installer knows no power button
    before, plan = world.state(), tiny.plan(world.host, location, arguments)
    report = kk.apply(plan)

    *_, off, ended = seen(report)
    assert off.startswith("the installer is done, and the VM is switched off: ")
    assert ended == "the installer has ended"
    assert kk.vms(world.host).loc["small", "state"] == "running"
    assert kk.undo(report).ok
    assert world.state() == before


def assert_only_the_guest_saw_the_hash(console: str, *texts: str) -> None:
    hashed = re.search(r"rootpw --iscrypted '?(\$6\$[^'\s]+)", console)
    assert hashed, console
    assert not any(hashed[1] in text for text in texts)
    kept = [path for path in Path(os.environ["XDG_STATE_HOME"]).rglob("*") if path.is_file()]
    assert kept
    assert not any(hashed[1].encode() in path.read_bytes() for path in kept)


def test_a_failure_that_is_kept_goes_with_undo(world: World, location: str) -> None:
    before, plan = world.state(), tiny.in_a_hurry(tiny.plan(world.host, location, tiny.WAITS), "vm-install")
    with pytest.raises(kk.ApplyFailed, match="the installer had 3 s and has not ended"):
        kk.apply(plan, keep=True)

    assert kk.vms(world.host).loc["small", "state"] == "running"
    assert kk.undo(world.host, plan.id).ok
    assert world.state() == before


def test_a_system_that_never_boots_is_a_failure_with_what_there_is(world: World, location: str) -> None:
    before, plan = world.state(), tiny.plan(world.host, location, tiny.ENDS, network="default")
    with pytest.raises(kk.ApplyFailed, match=r"'login:' .* it is running") as failed:
        kk.apply(tiny.in_a_hurry(plan, "vm-first-boot"))

    said = str(failed.value)
    picture = re.search(r"A picture of its screen: (\S+\.png)\.", said)
    assert picture
    assert Path(picture[1]).read_bytes().startswith(b"\x89PNG")
    assert "the host is as before" in said
    assert world.state() == before


def test_somebody_who_stops_the_installer_ends_it(
    world: World, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.state()
    told: list[str] = []

    def stop(what: str) -> None:
        told.append(what)
        if what.endswith("the kernel runs"):
            kk.destroy(world.host, "small")

    with pytest.raises(kk.ApplyFailed, match="its installer had not ended: somebody stopped it"):
        kk.apply(tiny.plan(world.host, location, tiny.WAITS), progress=stop)

    assert world.state() == before


def test_a_tree_that_changed_since_is_not_installed_from(world: World, folder: Path, location: str) -> None:
    before, plan = world.state(), tiny.plan(world.host, location, tiny.ENDS)
    (folder / "initrd.img").unlink()
    with pytest.raises(kk.ApplyFailed, match=r"initrd\.img"):
        kk.apply(plan)

    assert world.state() == before
