"""Answers as other programs find them: unpacked by cpio, read from the ISO by xorriso, got over HTTP."""

import contextlib
import gzip
import http.client
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycdlib import PyCdlib

import kvmkit as kk
from kvmkit.install.deliver import inject, seed_iso, serve_once
from tests.lab.waiting import wait_until

FILES = {
    "ks.cfg": "rootpw --iscrypted '$6$salt$hash'\n",
    "user-data": "#cloud-config\nname: 名\n",
    "empty": "",
}


def program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def unpack(archive: bytes, folder: Path) -> dict[str, bytes]:
    argv = [program("cpio"), "--extract", "--quiet", "--no-absolute-filenames"]
    subprocess.run(argv, input=archive, cwd=folder, check=True, timeout=60)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("squeeze", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("size", range(4))
def test_an_injected_initrd_is_the_old_one_and_an_archive(
    tmp_path: Path, squeeze: Callable[[bytes], bytes], size: int
) -> None:
    old = squeeze(b"x" * size)
    (tmp_path / "initrd").write_bytes(old)
    with (tmp_path / "new").open("xb") as file:
        inject(tmp_path / "initrd", FILES, file)
    new = (tmp_path / "new").read_bytes()
    assert new.startswith(old)
    padding, magic, _ = new[len(old) :].partition(b"070701")
    assert padding.strip(b"\0") == b""
    start = len(old) + len(padding)
    assert start % 4 == 0
    assert magic
    (tmp_path / "root").mkdir()
    found = unpack(new[start:], tmp_path / "root")
    assert found == {name: text.encode() for name, text in FILES.items()}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "root").iterdir()} == {0o600}


KILLED = """
import os, signal, sys
from pathlib import Path
from pydantic import SecretStr
from kvmkit.install import steps
from kvmkit.plan import Step

def sent(_self, _host, step, _token):
    assert b"$6$salt$hash" in Path(step.args["source"]).read_bytes()
    os.kill(os.getpid(), signal.SIGKILL)

steps.InstallerVolume.unmake = lambda *_: None
steps.UploadVolume.make = sent
args = {"pool": "p", "name": "n", "path": "/p/n", "answers": ["ks.cfg"], "label": "OEMDRV"}
args |= {"url": sys.argv[2], "checksum": ""}
secret = SecretStr("rootpw --iscrypted '$6$salt$hash'")
step = Step(action="x", title="x", undo="x", args=args, secrets={"ks.cfg": secret})
getattr(steps, sys.argv[1])().make(None, step, "token")
"""


@pytest.mark.parametrize("kind", ["AnswersDisk", "TreeFile"])
def test_killed_while_answers_are_sent_nothing_of_them_stays(kind: str, tmp_path: Path) -> None:
    (tmp_path / "initrd").write_bytes(b"old")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    argv = [sys.executable, "-c", KILLED, kind, str(tmp_path / "initrd")]
    process = subprocess.run(argv, env={**os.environ, "TMPDIR": str(scratch)}, timeout=90, check=False)
    assert process.returncode == -signal.SIGKILL
    assert list(scratch.rglob("*")) == []


@pytest.mark.parametrize("label", ["cidata", "OEMDRV"])
def test_xorriso_reads_the_seed(tmp_path: Path, label: str) -> None:
    with (tmp_path / "seed.iso").open("xb") as file:
        seed_iso(FILES, label, file)
    xorriso = [program("xorriso"), "-abort_on", "FAILURE", "-indev", str(tmp_path / "seed.iso")]
    about = subprocess.run([*xorriso, "-pvd_info"], capture_output=True, text=True, check=True, timeout=60)
    assert f"Volume Id    : {label}\n" in about.stdout
    take = ["-osirrox", "on", "-extract", "/", str(tmp_path / "out")]
    subprocess.run([*xorriso, *take], capture_output=True, check=True, timeout=60)
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == FILES


@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z.-]{0,30}", fullmatch=True), st.text(max_size=5000), max_size=5)
)
def test_every_text_is_in_the_seed_under_both_names(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("seed") / "seed.iso"
    files = {name: "".join(c for c in text if not "\ud800" <= c <= "\udfff") for name, text in files.items()}
    with path.open("xb") as file:
        seed_iso(files, "cidata", file)
    image = PyCdlib()
    image.open(str(path))
    for name, text in files.items():
        for where in ({"rr_path": f"/{name}"}, {"joliet_path": f"/{name}"}):
            found = io.BytesIO()
            image.get_file_from_iso_fp(found, **where)
            assert found.getvalue() == text.encode()
    image.close()


def fetch(url: str, method: str = "GET") -> tuple[int, str]:
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    with contextlib.closing(line):
        line.request(method, parts.path)
        answer = line.getresponse()
        return answer.status, answer.read().decode()


def test_a_file_is_served_once_and_who_asked_is_known() -> None:
    with serve_once("127.0.0.77", FILES) as served:
        assert urlsplit(served.folder).hostname == "127.0.0.77"
        assert fetch(served.urls["ks.cfg"]) == (200, FILES["ks.cfg"])
        assert fetch(served.urls["ks.cfg"])[0] == 410
        assert fetch(served.urls["user-data"]) == (200, FILES["user-data"])
    seen = [(entry.name, entry.peer, entry.given) for entry in served.fetches]
    assert seen[0][0] == "ks.cfg"
    assert [(name, given) for name, _, given in seen] == [
        ("ks.cfg", True),
        ("ks.cfg", False),
        ("user-data", True),
    ]
    assert all(peer.startswith("127.") for _, peer, _ in seen)
    assert "salt" not in repr(served)
    assert urlsplit(served.folder).path not in repr(served)


def test_nothing_else_is_answered() -> None:
    with serve_once("127.0.0.77", FILES) as served:
        root = served.folder.removesuffix(urlsplit(served.folder).path)
        for url in (
            f"{root}/",
            f"{root}/ks.cfg",
            served.folder,
            f"{served.folder}../ks.cfg",
            f"{root}/x/ks.cfg",
        ):
            assert fetch(url)[0] == 404
        for method in ("HEAD", "POST", "PUT"):
            assert fetch(served.urls["ks.cfg"], method)[0] == 501
        assert served.fetches == []
        assert fetch(served.urls["ks.cfg"])[0] == 200


def test_each_time_the_url_is_another() -> None:
    with serve_once("127.0.0.1", FILES) as one, serve_once("127.0.0.1", FILES) as two:
        tokens = [urlsplit(served.folder).path.strip("/") for served in (one, two)]
    assert tokens[0] != tokens[1]
    assert all(len(token) >= 43 for token in tokens)  # 256 bits in Base64


def refused(url: str) -> bool:
    try:
        fetch(url)
    except ConnectionError:  # also what is reset as the server ends
        return True
    return False


def test_it_ends_with_its_block_and_with_its_time() -> None:
    with serve_once("127.0.0.1", FILES) as served:
        pass
    assert refused(served.urls["ks.cfg"])
    with serve_once("127.0.0.1", FILES, seconds=0.2) as served:
        wait_until(lambda: refused(served.urls["ks.cfg"]), "the server ends")


def test_it_listens_at_one_address() -> None:
    with serve_once("127.0.0.77", FILES) as served:
        assert refused(served.urls["ks.cfg"].replace("127.0.0.77", "127.0.0.78"))


def test_a_transfer_that_broke_off_can_be_asked_for_again() -> None:
    long = "x" * 50_000_000  # more than both ends keep for each other
    with serve_once("127.0.0.1", {"long": long}) as served:
        parts = urlsplit(served.urls["long"])
        with socket.create_connection(("127.0.0.1", parts.port or 0), timeout=30) as line:
            line.sendall(f"GET {parts.path} HTTP/1.0\r\n\r\n".encode())
            assert line.recv(100)
        wait_until(lambda: bool(served.fetches), "it is noticed")
        assert fetch(served.urls["long"]) == (200, long)
    assert [entry.given for entry in served.fetches] == [False, True]


@pytest.mark.parametrize("address", ["192.0.2.1", "0.0.0.0", "::"])  # noqa: S104 (they are refused)
def test_an_address_of_somebody_else_or_of_all_is_refused(address: str) -> None:
    with pytest.raises(kk.Unsupported, match="'initrd' or 'seed'"), serve_once(address, FILES):
        pass


def test_ipv6() -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
    with serve_once("::1", FILES) as served:
        assert fetch(served.urls["ks.cfg"]) == (200, FILES["ks.cfg"])
