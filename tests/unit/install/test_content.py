"""Files are known for what they are by their bytes; each way in which an image is no good has its words."""

import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvmkit as kk
from kvmkit.install.content import HEAD, Image, _reaches_to, inspect
from tests.unit.install.images import MIB, cut, gpt, iso, partitioned, qcow2


def look(path: Path) -> Image:
    return inspect(path, path.name)


def test_a_whole_qcow2(tmp_path: Path) -> None:
    image = look(qcow2(tmp_path / "a.img"))

    assert (image.kind, image.format, image.capacity) == ("qcow2", "qcow2", 16 * MIB)
    assert image.size == (tmp_path / "a.img").stat().st_size


def test_a_whole_qcow2_of_the_old_version(tmp_path: Path) -> None:
    assert look(qcow2(tmp_path / "a.qcow2", "-o", "compat=0.10")).kind == "qcow2"


def test_a_whole_iso(tmp_path: Path) -> None:
    image = look(iso(tmp_path / "a.iso"))

    assert (image.kind, image.format, image.capacity) == ("iso", "raw", 600 * 2048)


@pytest.mark.parametrize("make", [partitioned, gpt])
def test_a_whole_raw_disk(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path / "a.raw")

    assert look(path) == Image("raw", 4 * MIB, 4 * MIB)


def test_a_file_system_without_partitions(tmp_path: Path) -> None:
    path = tmp_path / "a.img"
    path.write_bytes((bytes(0x438) + b"\x53\xef").ljust(MIB, b"\0"))  # ext4's magic number, ext4(5)

    assert look(path).kind == "raw"


def test_a_boot_sector_with_code_where_partitions_are_is_not_taken_for_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "fat.img"
    path.write_bytes((b"\xeb\x3c\x90" + b"Missing operating system" * 30)[:0x1FE] + b"\x55\xaa" + bytes(MIB))

    assert look(path).kind == "raw"


@pytest.mark.parametrize("options", [["-o", "compat=0.10"], []])
def test_an_image_on_top_of_another_file_is_refused_with_its_name(tmp_path: Path, options: list[str]) -> None:
    qcow2(tmp_path / "base.qcow2")
    path = qcow2(tmp_path / "top.qcow2", *options, "-b", "/etc/shadow", "-F", "raw", "-u", written="")

    with pytest.raises(kk.BadSource, match=r"top\.qcow2 lies on top of another file, '/etc/shadow'"):
        look(path)


def test_an_image_that_keeps_its_data_elsewhere_is_refused_with_its_name(tmp_path: Path) -> None:
    data = tmp_path / "data.raw"
    path = qcow2(tmp_path / "a.qcow2", "-o", f"data_file={data}")
    data.unlink()

    with pytest.raises(kk.BadSource, match=f"lies on top of another file, '{data}'"):
        look(path)


def test_an_encrypted_image_is_refused(tmp_path: Path) -> None:
    path = qcow2(tmp_path / "a.qcow2")
    with path.open("r+b") as file:
        file.seek(32)
        file.write((1).to_bytes(4, "big"))  # crypt_method: AES (QEMU's docs/interop/qcow2.txt)

    with pytest.raises(kk.BadSource, match=r"a\.qcow2 is encrypted"):
        look(path)


@pytest.mark.parametrize("size", [2 * MIB, 300 * 1024])
def test_a_qcow2_that_is_cut_off(tmp_path: Path, size: int) -> None:
    with pytest.raises(kk.BadSource, match="is cut off or damaged"):
        look(cut(qcow2(tmp_path / "a.qcow2"), size))


def test_a_qcow2_of_which_only_the_signature_came(tmp_path: Path) -> None:
    with pytest.raises(kk.BadSource, match="can't be used: qemu-img info says"):
        look(cut(qcow2(tmp_path / "a.qcow2"), 20))


@pytest.mark.parametrize("make", [iso, partitioned, gpt])
def test_a_disk_that_is_shorter_than_it_says(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path / "a.img")

    with pytest.raises(kk.BadSource, match=rf"a\.img is cut off: it has {MIB} bytes of"):
        look(cut(path, MIB))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.qcow2.xz", lzma.compress(b"x"), "is packed by xz: unpack it with `xz -d`"),
        ("a.qcow2", gzip.compress(b"x", mtime=0), "is packed by gzip"),
        (
            "a.img",
            b"KDMV" + bytes(600),
            "is of the format vmdk: make it qcow2 with `qemu-img convert -f vmdk",
        ),
        ("a.img", b"# Disk DescriptorFile\nRW 1 FLAT /etc/shadow", "is of the format vmdk"),
        ("a.iso", b"<html>Not found</html>", "is text: no qcow2, no ISO"),
        ("a.iso", b"", "is empty"),
        ("a.raw", bytes(MIB), "is nothing that is known"),
    ],
)
def test_what_is_no_image_is_told_what_it_is(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(kk.BadSource, match=said):
        look(tmp_path / name)


def test_an_image_that_is_not_what_its_name_says(tmp_path: Path) -> None:
    with pytest.raises(kk.BadSource, match=r"a\.iso is not what it says: it is qcow2"):
        look(qcow2(tmp_path / "a.iso"))


@given(st.binary(min_size=96, max_size=4096), st.integers(0, 2**63), st.booleans())
def test_whatever_a_header_holds_a_file_elsewhere_is_seen(rest: bytes, place: int, data_file: bool) -> None:
    features = int(data_file) << 2
    head = b"QFI\xfb" + struct.pack(">IQ", 3, place) + rest[:56] + struct.pack(">Q", features) + rest[56:]

    assert bool(_reaches_to(head.ljust(HEAD, b"\0"))) == (place > 0 or data_file)
