"""Images get into a real pool, byte for byte; stopped anywhere, it is taken back or gone on with."""

import hashlib
import threading
from pathlib import Path

import pytest

import kvmkit as kk
from tests.realqemu.vm.faults import FAILING, KILLING, Points, fail, nothing, run_until_killed
from tests.realqemu.vm.world import IMAGES, World
from tests.unit.install.images import MIB, iso, qcow2
from tests.unit.install.servers import http_files

NAME = "debian.qcow2"
SENT = ["after send"] * 5
"""A MiB, as libvirt's Python binding cuts it up: 262,120 bytes at a time."""
UPLOAD = [*["record"] * 3, "after createXML", *SENT, *["after finish"] * 2, "record", "record"]
"""It is sent, and read back."""
KILLED = [3, 4, 8, 9, 10, 11]
"""The points to be killed at: when it is made, at the first and the last sending, and from then on.

Those before are the engine's alone.
"""
SHADOW_BY_JSON = 'json:{"driver": "raw", "file": {"driver": "file", "filename": "/etc/shadow"}}'
UNDO = ["record", "record", "after delete", "record", "record"]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = qcow2(tmp_path / NAME, written="512k")
    with path.open("ab") as file:
        file.truncate(MIB)
    return path


@pytest.fixture
def plan(host: kk.Host, image: Path) -> kk.Plan:
    return kk.plan_image(host, kk.ImageSpec(url=str(image)))


def pending(host: kk.Host) -> list[str]:
    return [plan.id for plan in kk.pending(host)]


def assert_there(world: World, image: Path) -> None:
    assert world.file(f"{IMAGES}/{NAME}").read_bytes() == image.read_bytes()
    found = kk.volumes(world.host).loc[NAME]
    assert (found["format"], found["capacity_gib"]) == ("qcow2", 0.02)
    assert pending(world.host) == []


def test_an_image_from_a_server_becomes_the_base_of_a_vm(
    world: World, host: kk.Host, image: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = world.state()
    told: list[str] = []
    with http_files(image.parent) as server:
        plan = kk.plan_image(host, kk.ImageSpec(url=server.url(NAME), sha256=digest(image)))

    report = kk.apply(plan, progress=told.append)

    assert_there(world, image)
    assert told[-2:] == [f"uploading {NAME}: 1 MiB of 1 MiB", f"verifying {NAME}"]
    vm = kk.apply(kk.plan_vm(host, kk.VMSpec(name="small", memory_mib=64, image=NAME)))
    assert kk.volumes(host).loc["small.qcow2", "backing"] == f"{IMAGES}/{NAME}"
    with pytest.raises(kk.ApplyFailed, match="is in use by VM small"):
        kk.undo(report)
    assert kk.undo(vm).ok
    assert kk.undo(report).ok
    assert world.state() == before


@pytest.mark.parametrize(
    ("below", "named"),
    [
        ("/etc/shadow", "/etc/shadow"),
        ("../../../../etc/shadow", "/etc/shadow"),
        (SHADOW_BY_JSON, "/etc/shadow"),
        ("nbd://192.0.2.7/disk", r"something else \(it lies on what is reached over a network"),
    ],
)
def test_an_image_that_reaches_outside_the_pools_is_refused_however_deep(
    world: World, host: kk.Host, below: str, named: str
) -> None:
    for name, backing, form in (("middle", below, "raw"), ("top", "middle.qcow2", "qcow2")):
        on_top = ["-u", "-b", backing, "-F", form, f"{IMAGES}/{name}.qcow2", "1G"]
        world.lab.run(["qemu-img", "create", "-q", "-f", "qcow2", *on_top])
    world.lab.run(["virsh", "pool-refresh", "default"])
    before = world.state()

    for image in ("middle.qcow2", "top.qcow2"):
        with pytest.raises(kk.InvalidSpec, match=f"image: .* on top of .*{named}.*, in no active pool"):
            kk.plan_vm(host, kk.VMSpec(name="web1", image=image))
    assert world.state() == before


def test_an_iso_is_found_as_a_cd(world: World, host: kk.Host, tmp_path: Path) -> None:
    path = iso(tmp_path / "rescue2.iso")

    kk.apply(kk.plan_image(host, kk.ImageSpec(url=str(path))))

    assert world.file(f"{IMAGES}/rescue2.iso").read_bytes() == path.read_bytes()
    assert (
        "rescue2.iso"
        in kk.plan_vm(host, kk.VMSpec(name="small", cdrom="rescue2.iso", disk_gib=1)).shown[
            "The XML that is defined"
        ]
    )


def test_a_pool_that_is_full_is_told_before_anything_is_sent(
    world: World, host: kk.Host, image: Path, small_pool: Path
) -> None:
    (small_pool / "much").write_bytes(bytes(3 * MIB + MIB // 2))
    world.lab.run(["virsh", "pool-refresh", "small"])

    with pytest.raises(kk.InvalidSpec, match=r"pool: 'small': 512 KiB are free, and debian\.qcow2 has 1 MiB"):
        kk.plan_image(host, kk.ImageSpec(url=str(image), pool="small"))


def test_a_pool_that_fills_up_meanwhile_is_left_as_it_was(
    world: World, host: kk.Host, image: Path, small_pool: Path
) -> None:
    plan = kk.plan_image(host, kk.ImageSpec(url=str(image), pool="small"))
    (small_pool / "much").write_bytes(bytes(3 * MIB + MIB // 2))

    # Told before a byte is sent: libvirt 11.3 crashes, or hangs for ever, where the room ends on the way.
    with (
        Points(["after send"], 0, fail) as sent,
        pytest.raises(kk.ApplyFailed, match=r"No space left on device.*the host is as before"),
    ):
        kk.apply(plan)

    assert sent.passed == []
    assert [path.name for path in small_pool.iterdir()] == ["much"]
    assert pending(host) == []


def test_a_name_that_somebody_took_meanwhile_is_left_alone(
    world: World, host: kk.Host, plan: kk.Plan
) -> None:
    world.volume(NAME)
    before = world.state()

    with pytest.raises(
        kk.ApplyFailed, match=f"volume {NAME} is already in pool default .* not made by this plan"
    ):
        kk.apply(plan)

    assert world.state() == before


def test_a_file_that_changed_since_planning_is_not_kept(
    world: World, host: kk.Host, plan: kk.Plan, image: Path
) -> None:
    before = world.state()
    image.write_bytes(image.read_bytes()[:-1] + b"x")

    with pytest.raises(kk.ApplyFailed, match="was changed since it was planned to be sent"):
        kk.apply(plan)

    assert world.state() == before


def test_a_libvirtd_that_ends_meanwhile_leaves_nothing(world: World, host: kk.Host, plan: kk.Plan) -> None:
    before = world.state()

    with (
        Points(["after send"], 1, world.lab.restart_libvirtd),
        pytest.raises(kk.ApplyFailed, match="as before"),
    ):
        kk.apply(plan)

    assert world.state() == before


def test_a_libvirtd_that_hangs_meanwhile_is_named_and_what_was_sent_goes_later(
    world: World, host: kk.Host, plan: kk.Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.state()
    monkeypatch.setattr("kvmkit.host.KEEP_ALIVE", (1, 2))
    monkeypatch.setattr("kvmkit.host.OPENING", 3)
    monkeypatch.setattr(host, "_idle", [])  # what asks it is as quick to notice

    with (
        world.hanging_libvirtd() as hang,
        Points(["after send"], 1, hang),
        pytest.raises(
            kk.ApplyFailed, match=r"Taking it back failed too: .*nothing came in 3 s\. .*restart libvirtd"
        ),
    ):
        kk.apply(plan)

    assert pending(host) == [plan.id]
    assert kk.undo(host, plan.id).ok
    assert world.state() == before


def test_a_person_who_cancels_meanwhile_finds_nothing_left(world: World, plan: kk.Plan) -> None:
    before = world.state()
    cancel = threading.Event()

    with Points(["after send"], 1, cancel.set), pytest.raises(kk.Cancelled):
        kk.apply(plan, cancel=cancel)

    assert world.state() == before
    assert pending(world.host) == []


def test_every_change_and_every_record_is_a_point_to_be_killed_at(host: kk.Host, plan: kk.Plan) -> None:
    with Points(KILLING, 0, nothing) as upload:
        kk.apply(plan)
    with Points(KILLING, 0, nothing) as undo:
        kk.undo(host, plan.id)

    assert (upload.passed, undo.passed) == (UPLOAD, UNDO)


@pytest.mark.multiplied(keep=2)
@pytest.mark.parametrize("number", KILLED)
def test_killed_while_uploading_then_undone(world: World, plan: kk.Plan, number: int) -> None:
    before = world.state()
    run_until_killed(number, "apply", plan.model_dump_json())
    assert pending(world.host) == [plan.id]

    assert kk.undo(world.host, plan.id).ok

    assert world.state() == before
    assert pending(world.host) == []


@pytest.mark.multiplied(keep=2)
@pytest.mark.parametrize("number", KILLED)
def test_killed_while_uploading_then_continued(world: World, plan: kk.Plan, image: Path, number: int) -> None:
    before = world.state()
    run_until_killed(number, "apply", plan.model_dump_json())

    [left] = kk.pending(world.host)
    assert kk.apply(left).ok

    assert_there(world, image)
    assert kk.undo(world.host, plan.id).ok
    assert world.state() == before


@pytest.mark.multiplied(keep=2)
@pytest.mark.parametrize("point", ["createXML", "send", "finish"])
@pytest.mark.parametrize("when", FAILING)
def test_whatever_fails_nothing_is_left_behind(world: World, plan: kk.Plan, when: str, point: str) -> None:
    before = world.state()

    with Points([f"{when} {point}"], 0, fail), pytest.raises(kk.ApplyFailed, match="the host is as before"):
        kk.apply(plan)

    assert world.state() == before


def test_what_somebody_put_there_after_the_kill_is_left_alone(world: World, plan: kk.Plan) -> None:
    run_until_killed(UPLOAD.index("after createXML"), "apply", plan.model_dump_json())
    mine = world.file(f"{IMAGES}/{NAME}")
    mine.write_bytes(b"somebody's own".ljust(MIB, b"\1"))

    report = kk.undo(world.host, plan.id)

    assert [check.status for check in report.checks] == [kk.Status.WARN]
    assert mine.exists()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
