"""What the host's own script tells of files, run here, by each shell there is: it is sent as it is."""

import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvmkit.errors import KvmkitError
from kvmkit.vm.files import Files, look_script, parse_files

SHELLS = [shell for shell in (["dash"], ["bash"], ["busybox", "sh"]) if shutil.which(shell[0])]
HOSTILE = [
    "new\nline",
    "tab\there",
    "-rf",
    "it's",
    '"quoted"',
    "$(id)",
    "bläh ✓",
    "a;b|c&d",
    " ",
    "\\n",
    "*",
    "x\x7f",
]
NAMES = st.binary(min_size=1, max_size=40).filter(
    lambda name: not set(b"\0/") & set(name) and name not in (b".", b"..")
)


def look(paths: list[Path | str], *folders: Path, shell: list[str] | None = None) -> Files:
    asked = look_script(map(str, paths), map(str, folders))
    done = subprocess.run(
        [*(shell or ["sh"]), "-s"], input=asked.encode(), capture_output=True, timeout=120, check=True
    )
    return parse_files(done.stdout.decode())


def qcow2(below: str | bytes = "", form: str = "", *, version: int = 3, at: int = 0, data: str = "") -> bytes:
    """Make the beginning of an image, as docs/interop/qcow2.txt has it."""
    name = below if isinstance(below, bytes) else os.fsencode(below)
    length = 104 if version == 3 else 72
    extensions = b""
    for kind, text in ((0xE2792ACA, form), (0x44415441, data)):
        if text:
            extensions += struct.pack(">II", kind, len(text)) + text.encode().ljust(
                -(-len(text) // 8) * 8, b"\0"
            )
    extensions += bytes(8)
    place = at or length + len(extensions)
    head = struct.pack(">4sIQIIQ", b"QFI\xfb", version, place if name else 0, len(name), 16, 2**30)
    if version == 3:
        head = head.ljust(72, b"\0") + struct.pack(">QQQII", 4 if data else 0, 0, 0, 4, length)
    whole = bytearray(max(2048, place + len(name)))
    whole[: len(head)] = head
    whole[length : length + len(extensions)] = extensions
    if name:
        whole[place : place + len(name)] = name
    return bytes(whole)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def below(files: Files, path: Path) -> list[tuple[str, str]]:
    found = files.found[str(path)]
    assert found.trouble == ""
    return list(found.below)


@pytest.mark.parametrize("shell", SHELLS, ids=[shell[0] for shell in SHELLS])
def test_each_shell_tells_the_same(tmp_path: Path, shell: list[str]) -> None:
    write(tmp_path / "base", qcow2())
    top = write(tmp_path / "top", qcow2("./base", "qcow2"))
    (tmp_path / "link").symlink_to("top")
    (tmp_path / "hard").hardlink_to(top)
    files = look([tmp_path / "none"], tmp_path, shell=shell)

    assert files.found[str(tmp_path / "none")].trouble == "gone"
    assert sorted(files.listed) == sorted(str(tmp_path / name) for name in ("base", "top", "link", "hard"))
    assert len({files.found[str(tmp_path / name)].identity for name in ("top", "link", "hard")}) == 1
    assert below(files, tmp_path / "link") == [("any", f"{tmp_path}/./base")]
    assert files.found[f"{tmp_path}/./base"].identity == files.found[str(tmp_path / "base")].identity


NOTATIONS = {
    "base": ["{0}/base"],
    "./base": ["{0}/./base"],
    "../x/base": ["{0}/../x/base"],
    "/abs/base": ["/abs/base"],
    "file:/abs/base": ["/abs/base"],
    "file:base": ["{0}/base", "/base"],
    "host_device:/dev/x": ["/dev/x"],
    'json:{"driver":"qcow2","file":{"driver":"file","filename":"/abs/b"}}': ["/abs/b"],
    "json:{'file.filename': '/abs/b'}": ["/abs/b"],
    'json:{"file":{"filename":"/a\\"b\\u00e9\\ud83d\\ude00\\/c","driver":"file"}}': ['/a"bé😀/c'],
    'json:{"driver":"quorum","children":[{"file.filename":"/1"},{"file.filename":"/2"}]}': ["/1", "/2"],
    'json:{"driver":"rbd","pool":"p","image":"i"}': [],
    "rbd:pool/image": [],
}
CANNOT_BE_TOLD = {
    "nbd://localhost/x": "remote",
    "nbd:unix:/run/nbd": "remote",
    "http://127.0.0.1/base": "remote",
    "fat:/srv": "remote",
    "a:b": "remote",
    'json:{"driver":"nbd","path":"/run/nbd"}': "remote",
    'json:{"driver":"qcow2","file":"node"}': "remote",
    "json:{}": "remote",
    "json:": "remote",
    "/dev/fdset/3": "descriptor",
    "/dev//./fd/3": "descriptor",
    "/x/../dev/fd/3": "descriptor",
    "/proc/self/fd/3": "descriptor",
}


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_notation_of_what_lies_below(tmp_path: Path, version: int) -> None:
    tops = [write(tmp_path / str(n), qcow2(text, version=version)) for n, text in enumerate(NOTATIONS)]
    files = look([*tops])

    for top, wanted in zip(tops, NOTATIONS.values(), strict=True):
        assert [path for _, path in below(files, top)] == [path.format(tmp_path) for path in wanted]


def test_what_is_no_file_of_the_host_cannot_be_told(tmp_path: Path) -> None:
    tops = [write(tmp_path / str(n), qcow2(text)) for n, text in enumerate(CANNOT_BE_TOLD)]
    files = look([*tops])

    assert [files.found[str(top)].trouble for top in tops] == list(CANNOT_BE_TOLD.values())


def test_below_raw_there_is_nothing_more(tmp_path: Path) -> None:
    write(tmp_path / "raw", qcow2("/other"))
    top = write(tmp_path / "top", qcow2("raw", "raw"))

    assert below(look([top]), top) == [("raw", f"{tmp_path}/raw")]


def test_an_image_may_have_its_data_in_another_file(tmp_path: Path) -> None:
    top = write(tmp_path / "top", qcow2(data="data.raw"))

    assert below(look([top]), top) == [("raw", f"{tmp_path}/data.raw")]


def test_a_name_far_behind_the_header_is_found(tmp_path: Path) -> None:
    top = write(tmp_path / "top", qcow2("/far/away", at=65000))

    assert below(look([top]), top) == [("any", "/far/away")]


@pytest.mark.parametrize(
    "content",
    [
        qcow2("/x").replace(struct.pack(">I", 2), struct.pack(">I", 5000), 1),
        b"QFI\xfb" + b"\xff" * 2000,
        b"QFI\xfb" + struct.pack(">I", 9) + bytes(2000),
        qcow2("/x")[:108] + bytes(10),
    ],
    ids=["a name that is too long", "nothing but ones", "another version", "cut off"],
)
def test_a_header_that_lies_is_no_header(tmp_path: Path, content: bytes) -> None:
    top = write(tmp_path / "top", content)
    found = look([top]).found[str(top)]

    assert found.trouble == "odd-header" or found.below == ()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_a_name(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, qcow2())
    top = write(tmp_path / f"top {name}", qcow2(f"./{name}"))
    files = look([top], tmp_path)

    assert set(files.listed) == {str(tmp_path / name), str(top)}
    assert below(files, top) == [("any", f"{tmp_path}/./{name}")]
    assert files.found[f"{tmp_path}/./{name}"].identity == files.found[str(tmp_path / name)].identity


FORGED = "x\nfile 2f666f72676564 1:1 2f ok none\nend\n"


def test_what_a_name_or_a_header_says_cannot_pose_as_an_answer(tmp_path: Path) -> None:
    write(tmp_path / FORGED.replace("/", ""), qcow2(FORGED))
    files = look([], tmp_path)

    assert "/forged" not in files.found


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NAMES, min_size=2, max_size=5, unique=True))
def test_any_names_are_told_exactly(tmp_path: Path, names: list[bytes]) -> None:
    folder = tmp_path / str(time.monotonic_ns())
    folder.mkdir()
    paths = [write(Path(os.fsdecode(os.fsencode(folder) + b"/" + name)), qcow2()) for name in names]
    top = write(paths[0], qcow2(b"./" + names[1]))
    files = look([], folder)

    assert sorted(files.listed) == sorted(map(str, paths))
    assert below(files, top) == [("any", f"{folder}/./{os.fsdecode(names[1])}")]
    shutil.rmtree(folder)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.sampled_from([b"QFI\xfb", b"QED\0", b"KDMV", b"QFI\xfb\0\0\0\3", b""]))
def test_any_content_gives_an_answer_and_is_not_said_of_others(
    tmp_path: Path, content: bytes, magic: bytes
) -> None:
    odd = write(tmp_path / "a", magic + content)
    good = write(tmp_path / "b", qcow2("/good"))
    files = look([odd, good])

    assert below(files, good) == [("any", "/good")]
    assert str(odd) in files.found


def test_a_chain_of_any_depth_is_followed_in_one_go(tmp_path: Path) -> None:
    write(tmp_path / "0", qcow2())
    for depth in range(1, 31):
        write(tmp_path / str(depth), qcow2(f"{depth - 1}", "qcow2"))
    files = look([tmp_path / "30"])

    assert {str(tmp_path / str(depth)) for depth in range(31)} <= files.found.keys()


@pytest.mark.parametrize(("a", "b"), [("b", "a"), ("./b", "././a"), ("../{0}/b", "../{0}/a")])
def test_a_loop_comes_to_an_end(tmp_path: Path, a: str, b: str) -> None:
    folder = tmp_path.name
    write(tmp_path / "a", qcow2(a.format(folder)))
    write(tmp_path / "b", qcow2(b.format(folder)))

    assert len(look([tmp_path / "a"]).found) < 10


def test_a_pipe_or_a_folder_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    start = time.monotonic()
    files = look([tmp_path], tmp_path)

    assert {files.found[str(path)].trouble for path in (tmp_path / "pipe", tmp_path)} == {""}
    assert time.monotonic() - start < 60


def test_a_link_that_leads_nowhere_is_gone(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "self").symlink_to("self")

    assert {file.trouble for file in look([], tmp_path).found.values()} == {"gone"}


def look_as_nobody(paths: list[Path], *folders: Path) -> Files:
    done = subprocess.run(
        ["sh", "-s"],
        input=look_script(map(str, paths), map(str, folders)).encode(),
        capture_output=True,
        timeout=60,
        check=True,
        user=65534,
        group=65534,
        extra_groups=[],
    )
    return parse_files(done.stdout.decode())


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can be somebody else")
def test_what_may_not_be_read_is_said_to_be(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path(tempfile.gettempdir()):
            break
        folder.chmod(0o755)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    secret = write(closed / "secret", qcow2("/x"))
    secret.chmod(0)

    files = look_as_nobody([secret, closed / "none"])
    assert files.found[str(secret)].trouble == "unreadable"
    assert files.found[str(secret)].identity
    assert files.found[str(closed / "none")].trouble == "gone"

    closed.chmod(0o700)
    files = look_as_nobody([secret], closed)
    assert files.found[str(secret)].trouble == "denied"
    assert files.closed == {str(closed): "denied"}


STAT = """#!/bin/sh
for argument do
    case $argument in */stuck/*) exec sleep 1000 ;; esac
done
exec {stat} "$@"
"""


def test_storage_that_does_not_answer_costs_seconds_and_is_named(tmp_path: Path) -> None:
    """A `stat` that hangs stands for storage that does, which would need a server that dies."""
    for folder in ("bin", "stuck", "fine"):
        (tmp_path / folder).mkdir()
    write(tmp_path / "bin" / "stat", STAT.format(stat=shutil.which("stat")).encode()).chmod(0o755)
    stuck = [write(tmp_path / "stuck" / str(n), qcow2()) for n in range(600)]
    fine = write(tmp_path / "fine" / "top", qcow2("/below"))
    asked = look_script(map(str, [*stuck, fine]), [])
    start = time.monotonic()
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-s"],
        input=asked.encode(),
        capture_output=True,
        timeout=100,
        check=True,
        env=os.environ | {"PATH": path},
    )
    files = parse_files(done.stdout.decode())

    assert time.monotonic() - start < 90
    assert {files.found[str(path)].trouble for path in stuck} == {"no-answer"}
    assert below(files, fine) == [("any", "/below")]


def test_an_answer_without_its_end_is_none() -> None:
    with pytest.raises(KvmkitError, match="ends early"):
        parse_files("file 2f78 - - gone none")
