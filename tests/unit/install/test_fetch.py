"""Files come whole and verified, or an error says what is wrong; from real servers on loopback."""

import errno
import hashlib
import resource
import ssl
import subprocess
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.install import fetch as fetching
from kvmkit.install import transport
from kvmkit.install.fetch import MIB, digest, fetch, first_bytes, look, read_small, size_text
from kvmkit.install.transport import folder_of, join, shown, url_problem, why
from kvmkit.progress import telling
from tests.unit.install.servers import Files, closed_port, drip, ftp_files, http_files, silent_server

DATA = hashlib.shake_256(b"disk").digest(3 * MIB)
SUM = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "served").mkdir()
    (tmp_path / "served/disk.img").write_bytes(DATA)
    return tmp_path / "served"


@pytest.fixture
def server(folder: Path) -> Iterator[Files]:
    with http_files(folder) as server:
        yield server


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "disk.img"


@pytest.fixture(params=["http", "ftp", "folder"])
def location(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The same file in each way there is."""
    if request.param == "http":
        with http_files(folder) as server:
            yield server.url("disk.img")
    elif request.param == "ftp":
        with ftp_files(folder) as url:
            yield f"{url}/disk.img"
    else:
        yield str(folder / "disk.img")


def test_a_file_comes_whole(location: str, into: Path) -> None:
    told: list[str] = []

    with telling(told.append):
        fetch(location, into, f"sha256:{SUM}")

    assert into.read_bytes() == DATA
    assert told[-1] == "fetching disk.img: 3 MiB of 3 MiB"
    assert list(into.parent.iterdir()) == [into]


def test_a_file_is_looked_at_without_reading_it(location: str) -> None:
    assert look(location).size == len(DATA)
    assert first_bytes(location, 1000)[1] == DATA[:1000]


def test_a_fetch_goes_on_where_it_was_broken_off(
    location: str, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fetching._write

    def full(file: object, data: bytes) -> None:
        if file.tell() > 2 * MIB:  # type: ignore[attr-defined]
            raise kk.BadSource("the disk is full")
        real(file, data)  # type: ignore[arg-type]

    monkeypatch.setattr(fetching, "_write", full)
    with pytest.raises(kk.BadSource, match="full"):
        fetch(location, into)
    monkeypatch.setattr(fetching, "_write", real)
    told: list[str] = []
    with telling(told.append):
        fetch(location, into)

    assert told == ["fetching disk.img: 3 MiB of 3 MiB"]
    assert into.read_bytes() == DATA


def test_what_is_not_there_is_not_found(location: str, into: Path) -> None:
    with pytest.raises(kk.NotFound, match=r"none\.img is not there"):
        fetch(location.replace("disk", "none"), into)
    assert not into.exists()


def test_a_wrong_checksum_leaves_nothing(location: str, into: Path) -> None:
    with pytest.raises(kk.BadSource, match=f"its sha256 checksum is {SUM}, not 00ff"):
        fetch(location, into, "sha256:00ff")
    assert not [path for path in into.parent.iterdir() if path.suffix != ".lock"]


def test_a_server_that_stops_half_way_is_asked_for_the_rest(server: Files, into: Path) -> None:
    server.before = lambda path, place: place == 2 * MIB and len(server.asked) < 3

    fetch(server.url("disk.img"), into, f"sha256:{SUM}")

    assert server.asked == [("/disk.img", ""), ("/disk.img", ""), ("/disk.img", f"bytes={2 * MIB}-")]


def test_a_server_that_always_stops_at_the_same_place_is_given_up(server: Files, into: Path) -> None:
    server.before = lambda path, place: place == 2 * MIB

    with pytest.raises(kk.BadSource, match=r"broke off after 2 MiB of 3 MiB; what came is kept"):
        fetch(server.url("disk.img"), into)

    assert not into.exists()


def test_without_a_version_the_rest_is_never_taken_for_the_same_files(server: Files, into: Path) -> None:
    server.version = ""
    server.before = lambda path, place: place == 2 * MIB
    with pytest.raises(kk.BadSource, match="broke off"):
        fetch(server.url("disk.img"), into)

    server.before = lambda path, place: False
    fetch(server.url("disk.img"), into, f"sha256:{SUM}")

    assert {asked for _path, asked in server.asked} == {""}


def test_a_server_that_knows_no_ranges_is_read_from_the_beginning(server: Files, into: Path) -> None:
    server.ranges = False
    server.before = lambda path, place: place == 2 * MIB and len(server.asked) < 3

    fetch(server.url("disk.img"), into, f"sha256:{SUM}")

    assert digest(into, "sha256") == SUM


def test_a_file_that_changes_meanwhile_is_not_put_together(server: Files, into: Path) -> None:
    def change(path: str, place: int) -> bool:
        server.version = "2"
        return place == 2 * MIB

    server.before = lambda path, place: len(server.asked) == 2 and change(path, place)

    with pytest.raises(kk.BadSource, match="was changed while it was fetched"):
        fetch(server.url("disk.img"), into)


def test_a_checksum_lets_another_mirror_go_on(server: Files, into: Path) -> None:
    def change(path: str, place: int) -> bool:
        server.version = "2"
        return place == 2 * MIB

    server.before = lambda path, place: len(server.asked) == 2 and change(path, place)

    fetch(server.url("disk.img"), into, f"sha256:{SUM}")

    assert server.asked[-1] == ("/disk.img", f"bytes={2 * MIB}-")


def test_what_a_redirect_leads_to_is_stayed_with(server: Files, into: Path) -> None:
    server.moved = {"/any": "/disk.img"}

    fetch(server.url("any"), into)

    assert [path for path, _range in server.asked] == ["/any", "/disk.img", "/disk.img"]


def test_after_a_redirect_the_server_that_fails_is_named(server: Files, into: Path) -> None:
    with http_files(server.folder, "127.0.0.9") as other:
        away = other.url("none?token=geheim")
        other.codes = {"/disk.img": 503}
        server.moved = {"/away": away, "/busy": other.url("disk.img")}
        with pytest.raises(
            kk.NotFound, match=r"http://127\.0\.0\.9:\d+/none, where .*/away leads to"
        ) as error:
            fetch(server.url("away"), into)
        assert "geheim" not in str(error.value)
        with pytest.raises(kk.BadSource, match=r"127\.0\.0\.9:\d+/disk.img, where .*: its server says 503"):
            fetch(server.url("busy"), into)
    with pytest.raises(kk.BadSource, match=r"nothing listens on port \d+ of 127\.0\.0\.9"):
        fetch(server.url("away"), into)


def test_a_file_that_is_too_large_is_refused(server: Files, into: Path) -> None:
    with pytest.raises(kk.BadSource, match="has 3 MiB, more than 1 MiB"):
        fetch(server.url("disk.img"), into, limit=MIB)
    with pytest.raises(kk.BadSource, match="is larger than 1 KiB"):
        read_small(server.url("disk.img"), 1024)


def test_a_server_that_is_slower_than_anybody_waits_is_given_up(
    server: Files, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "SLOWEST", (0.1, 64 * MIB))
    server.before = drip

    with pytest.raises(kk.BadSource, match=r"only .* came in 0\.1 s"):
        fetch(server.url("disk.img"), into)


def test_a_server_that_never_answers(into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "SILENCE", 0.2)

    with (
        silent_server() as url,
        pytest.raises(kk.BadSource, match=r"port \d+ of 127\.0\.0\.4 is silent for 0\.2 s"),
    ):
        fetch(url, into)


def test_a_port_that_nothing_listens_on(into: Path) -> None:
    with pytest.raises(kk.BadSource, match=r"nothing listens on port \d+ of 127\.0\.0\.5"):
        fetch(closed_port(), into)


def test_a_name_that_does_not_resolve(into: Path) -> None:
    with pytest.raises(kk.BadSource, match=r"the name nowhere\.invalid does not resolve"):
        fetch("http://nowhere.invalid/disk.img", into)


def test_a_network_without_a_route(into: Path) -> None:
    error = urllib.error.URLError(OSError(errno.ENETUNREACH, "Network is unreachable"))

    assert why(error, "http://192.0.2.1/") == "there is no route to 192.0.2.1 (Network is unreachable)"


def test_a_disk_that_is_full_is_not_left_full(server: Files, into: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, limit[1]))
    try:
        with pytest.raises(kk.BadSource, match=r"it cannot be kept as .*File too large"):
            fetch(server.url("disk.img"), into)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    assert not [path for path in into.parent.iterdir() if path.suffix != ".lock"]


@pytest.fixture
def protected(server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """The server by https, with a certificate that nobody knows."""
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate")]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    name = ["-subj", "/CN=127.0.0.2", "-addext", "subjectAltName=IP:127.0.0.2"]
    subprocess.run(["openssl", "req", *kind, *files, *name], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


def test_a_certificate_that_nobody_vouches_for(protected: Files, into: Path) -> None:
    with pytest.raises(kk.BadSource, match=r"the certificate of 127\.0\.0\.2 is not valid: self.signed"):
        fetch(protected.url("disk.img").replace("http", "https"), into)


def test_a_protected_line_leads_to_no_open_one(
    protected: Files, into: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
    protected.moved = {"/open": "http://127.0.0.2/disk.img", "/a": "/disk.img"}
    url = protected.url().replace("http", "https")

    fetch(f"{url}a", into, f"sha256:{SUM}")
    with pytest.raises(kk.BadSource, match="it is not followed"):
        fetch(f"{url}open", into)


def test_redirects_are_followed_and_those_without_end_are_not(server: Files, into: Path) -> None:
    server.moved = {"/a": "/disk.img", "/loop": "/loop2", "/loop2": "/loop"}

    fetch(server.url("a"), into, f"sha256:{SUM}")
    with pytest.raises(kk.BadSource, match="leads on without end"):
        fetch(server.url("loop"), into)


@pytest.mark.parametrize("to", ["file:///etc/hostname", "ftp://127.0.0.3/disk.img", "data:text/plain,hello"])
def test_a_redirect_leads_to_no_other_way(server: Files, into: Path, to: str) -> None:
    server.moved = {"/a": to}

    with pytest.raises(kk.BadSource, match="it is not followed"):
        fetch(server.url("a"), into)


@pytest.mark.parametrize("code", [403, 500])
def test_a_server_that_refuses_is_quoted(server: Files, into: Path, code: int) -> None:
    server.codes = {"/disk.img": code}

    with pytest.raises(kk.BadSource, match=f"its server says {code}"):
        fetch(server.url("disk.img"), into)


def test_what_lets_others_in_is_never_shown(server: Files, into: Path) -> None:
    with pytest.raises(kk.NotFound) as caught:
        fetch(server.url("gone.img?token=secret"), into)

    assert "secret" not in str(caught.value)
    assert shown("ftp://me:secret@h/x") == "ftp://h/x"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://kvm1/rhel9", ""),
        ("ftp://192.168.0.200/rhel6.4", ""),
        ("/srv/rhel9", ""),
        ("file:///srv/rhel9", ""),
        ("gopher://kvm1/", "an http, https or ftp URL"),
        ("http://", "an http, https or ftp URL"),
        ("rhel9", "an http, https or ftp URL"),
        ("http://kvm1:port/", "not a URL"),
        ("http://[::1", "not a URL"),
        ("http://me:secret@kvm1/", "no password in a URL"),
        ("http://kvm1/a b", "without blanks"),
        ("http://kvm1/a\nb", "one line"),
    ],
)
def test_a_location_is_judged_before_it_is_used(url: str, problem: str) -> None:
    said = url_problem(url)

    assert said.startswith(problem) or problem in said
    assert bool(said) is bool(problem)
    assert "secret" not in said


def test_places_below_a_location() -> None:
    assert join("http://h/tree/?a=b", "images/a b") == "http://h/tree/images/a%20b"
    assert join("/srv/tree", ".treeinfo") == "/srv/tree/.treeinfo"
    assert folder_of("http://h/images/a%20b.img?x") == ("http://h/images", "a b.img")
    assert folder_of("file:///srv/a.img") == ("/srv", "a.img")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (512, "512 bytes"),
        (1536, "1.5 KiB"),
        (45 * MIB, "45 MiB"),
        (1010 * MIB, "1010 MiB"),
        (3 * 2**30, "3 GiB"),
    ],
)
def test_sizes_are_said_in_a_unit_that_fits(size: int, text: str) -> None:
    assert size_text(size) == text
