"""Answers as other programs find them: unpacked by cpio, read from the ISO by xorriso, got over HTTP."""

import gzip
import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycdlib import PyCdlib

from kvmkit.install.deliver import inject, seed_iso

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
