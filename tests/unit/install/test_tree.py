"""Trees are known for what they are: by http, by ftp and from a folder; what is none is told so."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvmkit as kk
from kvmkit.install.fetch import cached
from kvmkit.install.tree import Tree, parse_sums, parse_treeinfo, read_tree
from tests.unit.install.servers import ftp_files, http_files

RHEL6 = """[general]
family = Red Hat Enterprise Linux
timestamp = 1359576196.686790
variant = Server
totaldiscs = 1
version = 6.4
discnum = 1
packagedir =
arch = x86_64

[stage2]
mainimage = images/install.img

[images-x86_64]
kernel = images/pxeboot/vmlinuz
initrd = images/pxeboot/initrd.img
boot.iso = images/boot.iso

[checksums]
images/pxeboot/initrd.img = sha256:{initrd}
images/pxeboot/vmlinuz = sha256:{kernel}
"""
"""Synthetic: written as those of RHEL 6 are, before productmd had a format of its own."""
FEDORA = """[header]
type = productmd.treeinfo
version = 1.2

[release]
name = Fedora
short = Fedora
version = 40

[tree]
arch = aarch64
build_timestamp = 1713128600
platforms = aarch64,xen
variants = Everything

[variant-Everything]
id = Everything
uid = Everything
name = Everything
type = variant
packages = Packages
repository = .

[images-aarch64]
kernel = images/pxeboot/vmlinuz
initrd = images/pxeboot/initrd.img

[checksums]
images/pxeboot/vmlinuz = sha256:00
images/pxeboot/initrd.img = whirlpool:00
"""
"""Synthetic: written after productmd's description of its format."""
FILES = {"kernel": b"a kernel", "initrd": b"an initrd"}
SUMS = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
HELP = "This is a Debian 12 (bookworm) installation netboot image."


def boot_files(tree: Tree) -> tuple[Path, Path]:
    """Fetch kernel and initrd as a plan's steps do."""
    kernel, initrd = (
        cached(tree.url(path), tree.checksums.get(path, "")) for path in (tree.kernel, tree.initrd)
    )
    return kernel, initrd


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def treeinfo(folder: Path) -> None:
    boot = {"images/pxeboot/vmlinuz": FILES["kernel"], "images/pxeboot/initrd.img": FILES["initrd"]}
    write(folder, {".treeinfo": RHEL6.format(**SUMS)} | boot)


def debian(folder: Path, images: str) -> None:
    """Lay out Debian's images as its archive does."""
    inner = "netboot/debian-installer/amd64"
    sums = f"{SUMS['kernel']}  ./{inner}/linux\n{SUMS['initrd']}  ./{inner}/initrd.gz\n"
    files = {"linux": FILES["kernel"], "initrd.gz": FILES["initrd"], "boot-screens/f1.txt": HELP.encode()}
    write(folder, {f"{images}SHA256SUMS": sums} | {f"{images}{inner}/{n}": c for n, c in files.items()})


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


@pytest.fixture(params=["http", "ftp", "folder"])
def location(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The same folder in each way there is."""
    if request.param == "http":
        with http_files(folder) as server:
            yield server.url().rstrip("/")
    elif request.param == "ftp":
        with ftp_files(folder) as url:
            yield url
    else:
        yield str(folder)


def test_a_tree_with_treeinfo(location: str, folder: Path) -> None:
    treeinfo(folder)

    tree = read_tree(location)
    kernel, initrd = boot_files(tree)

    assert str(tree) == "Red Hat Enterprise Linux 6.4 x86_64"
    assert (tree.kind, tree.location) == ("treeinfo", location)
    assert (kernel.read_bytes(), initrd.read_bytes()) == (FILES["kernel"], FILES["initrd"])


def test_a_tree_whose_server_hides_what_begins_with_a_dot(location: str, folder: Path) -> None:
    treeinfo(folder)
    (folder / ".treeinfo").rename(folder / "treeinfo")

    assert read_tree(location).version == "6.4"


@pytest.mark.parametrize("images", ["", "current/images/"])
def test_a_tree_of_debian(location: str, folder: Path, images: str) -> None:
    debian(folder, images)

    tree = read_tree(location)
    kernel, initrd = boot_files(tree)

    assert (str(tree), tree.kind) == ("Debian 12 x86_64", "debian")
    assert tree.kernel == f"{images}netboot/debian-installer/amd64/linux"
    assert set(tree.checksums) == {tree.kernel, tree.initrd}
    assert (kernel.read_bytes(), initrd.read_bytes()) == (FILES["kernel"], FILES["initrd"])


def test_the_path_of_debians_archive_tells_architecture_and_codename(folder: Path) -> None:
    place = "dists/trixie/main/installer-arm64/current/images/netboot/debian-installer/arm64"
    write(folder, {f"{place}/linux": b"", f"{place}/initrd.gz": b""})

    tree = read_tree(f"{folder}/dists/trixie/main/installer-arm64")

    assert (tree.version, tree.arch, tree.checksums) == ("trixie", "aarch64", {})


def test_a_folder_that_is_no_tree_is_told_so(location: str) -> None:
    with pytest.raises(kk.NotFound, match=r"is no install tree: .* neither \.treeinfo nor Debian's"):
        read_tree(location)


def test_a_folder_that_is_not_there_is_told_so() -> None:
    with pytest.raises(kk.NotFound, match="/none/rhel9 is no folder of this machine"):
        read_tree("/none/rhel9")


def test_a_kernel_that_is_not_the_trees_own_is_refused(location: str, folder: Path) -> None:
    treeinfo(folder)
    (folder / "images/pxeboot/vmlinuz").write_bytes(b"something else")

    with pytest.raises(kk.BadSource, match="vmlinuz is not what it should be: its sha256 checksum is"):
        boot_files(read_tree(location))
    assert (folder / "images/pxeboot/vmlinuz").exists()


def test_boot_files_are_fetched_once_and_again_when_they_change(folder: Path) -> None:
    treeinfo(folder)
    with http_files(folder) as server:
        tree = replace(read_tree(server.url()), checksums={})
        first, second = boot_files(tree), boot_files(tree)
        asked = [path for path, _range in server.asked if path.endswith("vmlinuz")]
        server.version = "2"
        third = boot_files(tree)

    assert first == second != third
    assert len(asked) == 3  # looked at, fetched, looked at


def test_boot_files_whose_checksums_are_known_are_not_asked_for_twice(folder: Path) -> None:
    treeinfo(folder)
    with http_files(folder) as server:
        tree = read_tree(server.url())
        first = boot_files(tree)

    assert boot_files(tree) == first


def test_what_was_changed_in_the_cache_is_fetched_anew(folder: Path) -> None:
    treeinfo(folder)
    with http_files(folder) as server:
        tree = read_tree(server.url())
        kernel, _initrd = boot_files(tree)
        kernel.write_bytes(b"something else")

        assert boot_files(tree)[0].read_bytes() == FILES["kernel"]


def test_a_treeinfo_of_productmds_own_format() -> None:
    tree = parse_treeinfo(FEDORA, "http://h/fedora")

    images = "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"
    checksums = {images[0]: "sha256:00"}  # the other by what nobody here can compute
    assert tree == Tree("http://h/fedora", "treeinfo", "Fedora", "40", "aarch64", *images, checksums)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (RHEL6, "", r"cannot be used: it names no architecture"),
        (RHEL6, "<html>", r"cannot be used: File contains no section headers"),
        ("arch = x86_64", "arch =", r"cannot be used: it names no architecture"),
        ("kernel = ", "kern = ", r"names no kernel for x86_64"),
        (
            "images/pxeboot/initrd.img\n",
            "../../initrd.img\n",
            r"leads out of the tree, to \.\./\.\./initrd\.img",
        ),
    ],
)
def test_a_treeinfo_that_cannot_be_used_is_told_so(old: str, new: str, said: str) -> None:
    with pytest.raises(kk.BadSource, match=said):
        parse_treeinfo(RHEL6.replace(old, new), "http://h/t")


BOMB = "".join(f"a{n} = %(a{n - 1})s%(a{n - 1})s\n" for n in range(1, 40))


def test_a_treeinfo_means_no_more_than_it_says() -> None:
    """In a process of its own: it would take all memory of this one."""
    text = RHEL6.replace("family = Red Hat Enterprise Linux", f"a0 = xxxxxxxx\n{BOMB}family = %(a39)s")
    program = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))\n"
    program += "from kvmkit.install.tree import parse_treeinfo\n"
    program += "print(parse_treeinfo(sys.stdin.read(), 'http://h/t').family)"
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=90, check=True)
    assert done.stdout == "%(a39)s\n"


def test_a_treeinfo_has_a_bounded_size(folder: Path) -> None:
    write(folder, {".treeinfo": RHEL6 + "#" * 2**17})
    with pytest.raises(kk.BadSource, match="is larger than 128 KiB"):
        read_tree(str(folder))


# What a distribution's file has in place of a line of RHEL6, and is read all the same.
ODD = [
    ("[general]\n", "[header]\nversion = 1.2\n[general]\n"),  # no [release] and no [tree] follow
    ("[stage2]\n", "[variant-x]\nuid = y\n[stage2]\n"),
    ("variant = Server\n", ""),
    ("timestamp = 1359576196.686790\n", "timestamp = inf\n"),
    ("version = 6.4\n", "version = 6.4-Server\n"),
    ("kernel = images", "kernel = /pub/6/x86_64/os/images"),
    ("[images-x86_64]", "[images-xen]\nkernel = xen/vmlinuz\n[images-x86_64]"),
    ("[checksums]\n", "[checksums]\nimages/other = 12\n"),
    ("arch = x86_64\n", "arch = x86_64\narch = x86_64\n"),
    ("discnum = 1\n", "discnum = 100%\n"),
]


@pytest.mark.parametrize(("old", "new"), ODD)
def test_a_treeinfo_that_is_odd_is_read_as_virt_install_reads_it(old: str, new: str) -> None:
    assert old in RHEL6
    assert parse_treeinfo(RHEL6.replace(old, new, 1), "http://h/t") == parse_treeinfo(RHEL6, "http://h/t")


SUSE = """[general]
arch = x86_64
family = openSUSE Leap
name = openSUSE Leap
version = 15.5
platforms = x86_64

[images-x86_64]
initrd = boot/x86_64/loader/initrd
kernel = boot/x86_64/loader/linux
"""
"""Synthetic: written as openSUSE's product composer does."""


def test_a_tree_of_suse_is_one_of_its_own_kind() -> None:
    tree = parse_treeinfo(SUSE, "http://h/suse")
    assert (tree.kind, tree.family, tree.version) == ("suse", "openSUSE Leap", "15.5")


@given(st.text(), st.text(), st.integers(0, len(RHEL6)), st.integers(0, 40))
def test_any_treeinfo_gives_a_tree_or_says_why_not(text: str, new: str, place: int, length: int) -> None:
    for content in (text, RHEL6[:place] + new + RHEL6[place + length :]):
        try:
            tree = parse_treeinfo(content, "http://h/t")
        except kk.BadSource:
            continue
        assert tree.kernel
        assert ".." not in tree.url(tree.kernel).split("/")


def test_checksums_are_read_in_both_notations() -> None:
    a, b, c, md5 = "a" * 64, "b" * 128, "c" * 64, "d" * 32
    text = f"# comment\n{a}  ./a.img\n{b} *b.img\nSHA256 (c d.img) = {c}\n{md5}  md5.img\n"

    assert parse_sums(text) == {
        "a.img": f"sha256:{'a' * 64}",
        "b.img": f"sha512:{'b' * 128}",
        "c d.img": f"sha256:{'c' * 64}",
    }
