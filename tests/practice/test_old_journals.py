"""Journals that the kvmkit of commit be4763f left, at each of its records, are gone on with by today's."""

import tarfile
from pathlib import Path

import pytest

import kvmkit as kk
from tests.practice.kernels import URI

KEPT = Path(__file__).parent.parent / "captures/journals/be4763f.tar.xz"
with tarfile.open(KEPT) as kept:
    SCENES = sorted({name.split("/")[0] for name in kept.getnames()})
HALF = [scene for scene in SCENES if scene not in ("done", "undone")]


@pytest.fixture
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> kk.Host:
    with tarfile.open(KEPT) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / request.param))
    return kk.connect(URI)


def vms_and_disks(host: kk.Host) -> tuple[bool, bool]:
    return "web1" in kk.vms(host).index, "web1.qcow2" in kk.volumes(host).index


def test_each_record_was_recorded() -> None:
    assert len(SCENES) == 23


@pytest.mark.parametrize("host", SCENES, indirect=True)
def test_history_has_them(host: kk.Host, request: pytest.FixtureRequest) -> None:
    [row] = kk.history(host).to_dict("records")
    [state] = [row["state"]]

    assert row["what"] == "create VM web1"
    scene = request.node.callspec.params["host"]
    assert state == {"applying": "applying", "undoing": "undoing"}.get(scene.split("-")[0], scene) or (
        # The first records of an undo, and the last of an application, tell of the state before or after.
        (scene, state) in [("applying-11", "done"), ("undoing-10", "undone")]
    )
    assert [plan.id for plan in kk.pending(host)] == ([] if state in ("done", "undone") else [row["plan"]])
    assert "create VM web1" in repr(kk.timeline(host, row["plan"]))


@pytest.mark.parametrize("host", HALF, indirect=True)
def test_what_was_half_done_is_applied_and_then_undone(host: kk.Host) -> None:
    [row] = kk.history(host).to_dict("records")
    for plan in kk.pending(host):
        assert kk.apply(plan).ok
        assert vms_and_disks(host) == (True, True)
    if kk.history(host)["state"].iloc[-1] != "undone":
        assert kk.undo(host, row["plan"]).ok
    assert vms_and_disks(host) == (False, False)


@pytest.mark.parametrize("host", [scene for scene in SCENES if scene != "undone"], indirect=True)
def test_what_was_done_or_half_done_is_undone(host: kk.Host) -> None:
    [row] = kk.history(host).to_dict("records")
    if row["state"] != "undone":
        assert kk.undo(host, row["plan"]).ok
    assert vms_and_disks(host) == (False, False)
    assert list(kk.history(host)["state"]) == ["undone"]
