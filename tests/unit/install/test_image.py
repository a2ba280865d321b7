"""Images are fetched, looked at and planned; whatever is wrong with one is said, and nothing is changed."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.install import image
from kvmkit.install.fetch import size_text
from kvmkit.vm.needs import Pool
from tests.unit.install.images import cut, iso, qcow2
from tests.unit.install.servers import Files, closed_port, http_files


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Files]:
    (tmp_path / "served").mkdir()
    qcow2(tmp_path / "served/debian.qcow2")
    with http_files(tmp_path / "served") as server:
        yield server


@pytest.fixture
def sha256(server: Files) -> str:
    return hashlib.sha256((server.folder / "debian.qcow2").read_bytes()).hexdigest()


@pytest.fixture
def host() -> kk.Host:
    return kk.connect("test:///default")


@pytest.fixture
def spec(server: Files) -> kk.ImageSpec:
    return kk.ImageSpec(url=server.url("debian.qcow2"))


def with_(spec: kk.ImageSpec, **fields: str) -> kk.ImageSpec:
    return kk.ImageSpec(**{**spec.model_dump(), **fields})


def refused(host: kk.Host, spec: kk.ImageSpec) -> dict[str, str]:
    with pytest.raises(kk.InvalidSpec) as caught:
        kk.plan_image(host, spec)
    return caught.value.errors


def test_an_image_is_fetched_and_its_upload_planned(host: kk.Host, spec: kk.ImageSpec, sha256: str) -> None:
    told: list[str] = []

    plan = kk.plan_image(host, with_(spec, sha256=sha256), progress=told.append)

    [step] = plan.steps
    wanted = {"name": "debian.qcow2", "format": "qcow2", "capacity": 16 * 2**20, "sha256": sha256}
    assert wanted.items() <= step.args.items()
    assert hashlib.sha256(Path(step.args["source"]).read_bytes()).hexdigest() == sha256
    size = size_text(step.args["size"])
    assert plan.notes == (
        f"debian.qcow2 is qcow2, {size}, 16 MiB for a guest",
        "verified by the checksum that was given",
        "kk.VMSpec(image='debian.qcow2') makes a VM from it",
    )
    assert told[-1].startswith("fetching debian.qcow2: 3")


def test_planned_again_it_is_the_same_plan_and_not_fetched_again(
    host: kk.Host, spec: kk.ImageSpec, server: Files
) -> None:
    first = kk.plan_image(host, spec)
    server.before = lambda path, place: True  # whoever reads it now gets nothing

    assert kk.plan_image(host, spec).id == first.id


def test_an_iso_of_this_machine_is_used_where_it_is(host: kk.Host, tmp_path: Path) -> None:
    path = iso(tmp_path / "rescue.iso")

    plan = kk.plan_image(host, kk.ImageSpec(url=str(path), name="cd.iso"))

    assert (plan.steps[0].args["source"], plan.steps[0].args["format"]) == (str(path), "raw")
    assert plan.notes[-1] == "kk.VMSpec(cdrom='cd.iso') makes a VM from it"
    assert not (tmp_path / "cache").exists()


def test_on_the_practice_host_it_is_rehearsed(host: kk.Host, spec: kk.ImageSpec) -> None:
    report = kk.apply(kk.plan_image(host, spec))

    assert [check.status for check in report.checks] == [kk.Status.SKIP]


def test_without_a_checksum_it_says_so(host: kk.Host, spec: kk.ImageSpec) -> None:
    assert "WARNING: nothing vouches for it" in "".join(kk.plan_image(host, spec).notes)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_file_of_checksums_beside_it_is_compared_and_vouches_for_nothing_on_an_open_line(
    host: kk.Host, spec: kk.ImageSpec, server: Files, algorithm: str
) -> None:
    digest = hashlib.new(algorithm, (server.folder / "debian.qcow2").read_bytes()).hexdigest()
    sums = f"{algorithm.upper()}SUMS"
    (server.folder / sums).write_text(f"{digest}  debian.qcow2\n")

    notes = kk.plan_image(host, spec).notes
    assert f"verified by {sums} beside it" in notes
    assert "WARNING: nothing vouches for it" in "".join(notes)
    notes = kk.plan_image(host, with_(spec, **{algorithm: digest})).notes
    assert "WARNING: nothing vouches for it" not in "".join(notes)

    (server.folder / sums).write_text(f"{'0' * len(digest)}  debian.qcow2\n")
    assert "is not what it should be" in refused(host, spec)["url"]


@pytest.mark.parametrize("field", ["sha256", "sha512"])
def test_a_wrong_checksum(host: kk.Host, spec: kk.ImageSpec, tmp_path: Path, field: str) -> None:
    wrong = "0" * {"sha256": 64, "sha512": 128}[field]

    errors = refused(host, with_(spec, **{field: wrong}))

    assert list(errors) == [field]
    assert f"its {field} checksum is " in errors[field]
    assert f"not {wrong}. Nothing was changed" in errors[field]
    assert not list((tmp_path / "cache").rglob("*.qcow2"))


def test_a_truncated_image(host: kk.Host, spec: kk.ImageSpec, server: Files) -> None:
    cut(server.folder / "debian.qcow2", 2**20)

    assert "debian.qcow2 is cut off or damaged" in refused(host, spec)["url"]


def test_a_server_that_stops_half_way(host: kk.Host, spec: kk.ImageSpec, server: Files) -> None:
    server.before = lambda path, place: place > 2**20

    assert "broke off after" in refused(host, spec)["url"]


def test_a_backing_file_is_refused_with_its_path(host: kk.Host, spec: kk.ImageSpec, server: Files) -> None:
    backing = ("-b", "/etc/shadow", "-F", "raw", "-u")
    (server.folder / "debian.qcow2").unlink()
    qcow2(server.folder / "debian.qcow2", *backing, written="")

    assert "lies on top of another file, '/etc/shadow'" in refused(host, spec)["url"]


def test_a_page_that_says_it_is_not_there(host: kk.Host, spec: kk.ImageSpec, server: Files) -> None:
    (server.folder / "debian.qcow2").write_text("<html>come back later</html>")

    assert "debian.qcow2 is text" in refused(host, spec)["url"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"pool": "none"}, {"pool": "'none': no such active pool; active are: default"}),
        ({"url": closed_port() + "a.iso"}, {"url": r"nothing listens on port"}),
        ({"url": "/none/a.iso"}, {"url": "/none/a.iso is not there"}),
        ({"url": "/"}, {"name": "give one, as / names no file"}),
    ],
)
def test_what_does_not_fit_is_named(
    host: kk.Host, spec: kk.ImageSpec, fields: dict[str, str], said: dict[str, str]
) -> None:
    errors = refused(host, with_(spec, **fields))

    assert list(errors) == list(said)
    assert all(text in errors[field] for field, text in said.items())


def test_a_folder_is_no_image(host: kk.Host, spec: kk.ImageSpec, tmp_path: Path) -> None:
    assert "Is a directory" in refused(host, with_(spec, url=str(tmp_path)))["url"]


def test_a_name_that_is_taken(host: kk.Host, spec: kk.ImageSpec) -> None:
    taken = kk.VMSpec(name="debian", disk_gib=1)
    kk.apply(kk.plan_vm(host, taken))

    assert "has a volume of that name" in refused(host, spec)["name"]


def test_a_full_pool(host: kk.Host, spec: kk.ImageSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "_pool", lambda *_args: Pool("dir", "/pool", 2**30, 2**20))

    assert "'default': 1 MiB are free, and debian.qcow2 has 3." in refused(host, spec)["pool"]


def test_a_password_is_not_shown() -> None:
    with pytest.raises(kk.InvalidSpec) as caught:
        kk.ImageSpec(url="ftp://me:geheim@kvm1/a.iso")
    assert "geheim" not in str(caught.value)
    for url in (
        "http://geheim@kvm1/a",
        "gopher://kvm1/a?k=geheim",
        "http://[kvm1/a#geheim",
        "http:///a?geheim",
    ):
        with pytest.raises(kk.InvalidSpec) as caught:
            kk.ImageSpec(url=url)
        assert "geheim" not in str(caught.value)
