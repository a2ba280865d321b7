"""What is wrong with a source is named: name, port, 404, no tree, architecture; here and on the host."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.commands import Follow, Local, Result
from kvmkit.install import transport
from kvmkit.install.fetch import MIB
from kvmkit.install.source import _judge_arch, _speed
from tests.unit.install.images import iso, qcow2
from tests.unit.install.servers import Files, closed_port, ftp_files, http_files, silent_server
from tests.unit.install.test_tree import debian, treeinfo

ONES = ("sh", "uname", "getent", "awk", "sed", "mktemp", "rm", "date", "head", "wc", "cat", "grep", "tail")
"""What the host's script runs, beside what it fetches with."""


@dataclass(frozen=True)
class Having:
    """Commands on this machine as if it had only some of its programs."""

    folder: Path

    def run(self, argv: Sequence[str], stdin: str, timeout: float, follow: Follow | None = None) -> Result:
        path = ["env", "-i", f"PATH={self.folder}", f"TMPDIR={self.folder}"]
        return Local("qemu:///system").run([*path, *argv], stdin, timeout, follow)


def host_with(folder: Path, *tools: str) -> kk.Host:
    folder.mkdir()
    for name in (*ONES, *tools):
        # Not what stands for it in a folder of a version manager's.
        found = sys.executable if name == "python3" else shutil.which(name)
        if not found:
            pytest.skip(f"no {name} on this machine")
        (folder / name).symlink_to(Path(found).resolve() if name != "sh" else found)
    return kk.Host("qemu:///system", Having(folder))


@pytest.fixture
def host(tmp_path: Path) -> kk.Host:
    return host_with(tmp_path / "programs", "python3")


@pytest.fixture
def practice() -> kk.Host:
    return kk.connect("test:///default")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "served").mkdir()
    return tmp_path / "served"


@pytest.fixture
def server(folder: Path) -> Iterator[Files]:
    with http_files(folder) as server:
        yield server


def rows(report: kk.Report) -> dict[str, tuple[str, str]]:
    return {check.check: (str(check.status), check.found) for check in report.checks}


def test_a_tree_that_can_be_installed_from(host: kk.Host, server: Files) -> None:
    treeinfo(server.folder)
    (server.folder / "images/pxeboot/initrd.img").write_bytes(bytes(3 * MIB))

    report = kk.check_source(host, server.url())

    found = rows(report)
    assert report.ok
    assert list(found) == [
        *("name", "port", "source", "kernel", "initrd", "speed"),
        *("architecture", "from the host", "speed from the host"),
    ]
    assert found["name"] == ("PASS", "127.0.0.2 is 127.0.0.2")
    assert found["source"] == ("PASS", "install tree: Red Hat Enterprise Linux 6.4 x86_64, by .treeinfo")
    assert found["initrd"] == ("PASS", "images/pxeboot/initrd.img, 3 MiB, with its checksum in the tree")
    assert found["from the host"] == ("PASS", "127.0.0.2 is 127.0.0.2 there, and python3 has it")
    assert report.title == f"source {server.url()}"


@pytest.mark.parametrize("tool", ["curl", "wget", "python3"])
@pytest.mark.parametrize("way", ["http", "ftp"])
def test_the_host_asks_with_what_it_has(tmp_path: Path, folder: Path, tool: str, way: str) -> None:
    debian(folder, "")
    (folder / "netboot/debian-installer/amd64/initrd.gz").write_bytes(bytes(3 * MIB))
    host = host_with(tmp_path / "programs", tool)

    with http_files(folder) as server, ftp_files(folder) as ftp:
        url = server.url() if way == "http" else ftp
        good = kk.check_source(host, url)
        unreached = rows(kk.check_source(host, closed_port()))["from the host"]

    assert rows(good)["from the host"][1].endswith(f"there, and {tool} has it")
    assert "PASS" in rows(good)["speed from the host"]
    assert unreached[0] == "FAIL"
    assert unreached[1].startswith(f"127.0.0.5 is 127.0.0.5 there; {tool} says: ")
    assert list((tmp_path / "programs").glob("tmp*")) == []


def test_a_host_with_nothing_to_ask_with(tmp_path: Path, server: Files) -> None:
    treeinfo(server.folder)

    found = rows(kk.check_source(host_with(tmp_path / "programs"), server.url()))

    assert found["from the host"] == ("SKIP", "the host has neither curl, wget nor python3 to ask with")


def test_the_practice_host_is_not_asked(practice: kk.Host, server: Files) -> None:
    treeinfo(server.folder)

    found = rows(kk.check_source(practice, server.url()))

    assert found["source"][0] == "PASS"
    assert found["architecture"] == found["from the host"] == ("SKIP", "the practice host runs no commands")


def test_a_folder_of_this_machine(host: kk.Host, folder: Path) -> None:
    treeinfo(folder)

    report = kk.check_source(host, str(folder))

    assert report.ok
    assert rows(report)["name"] == ("SKIP", "on this machine")
    assert rows(report)["from the host"][0] == "SKIP"


def test_a_name_that_does_not_resolve(host: kk.Host) -> None:
    found = rows(kk.check_source(host, "http://nowhere.invalid/rhel9"))

    assert list(found) == ["name", "source", "from the host"]
    assert found["name"][0] == found["from the host"][0] == "FAIL"
    assert "the name nowhere.invalid does not resolve" in found["name"][1]
    assert "the name nowhere.invalid does not resolve there" in found["from the host"][1]
    assert found["source"] == ("SKIP", "its server was not reached")


def test_a_port_that_nothing_listens_on(host: kk.Host) -> None:
    url = closed_port()

    found = rows(kk.check_source(host, url))

    assert found["port"] == ("FAIL", f"nothing listens on port {url.split(':')[2][:-1]} of 127.0.0.5")
    assert "python3 says: " in found["from the host"][1]
    assert "refused" in found["from the host"][1]


def test_a_server_that_never_answers(practice: kk.Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "SILENCE", 0.2)

    with silent_server() as url:
        found = rows(kk.check_source(practice, url))

    assert found["port"][0] == "PASS"
    assert found["source"][0] == "FAIL"
    assert "of 127.0.0.4 is silent" in found["source"][1]


def test_a_folder_that_is_no_tree(practice: kk.Host, server: Files) -> None:
    (server.folder / "README").touch()

    report = kk.check_source(practice, server.url())

    assert "is no install tree: its server answers, but has neither .treeinfo" in rows(report)["source"][1]
    assert not report.ok


def test_the_host_is_not_asked_for_what_is_not_there(host: kk.Host, server: Files) -> None:
    found = rows(kk.check_source(host, server.url("gone.iso")))

    assert "gone.iso is not there: its server answers, and says 404" in found["source"][1]
    assert found["from the host"] == ("SKIP", "there is nothing to ask it for")


def test_a_treeinfo_that_leads_to_nothing(practice: kk.Host, server: Files) -> None:
    treeinfo(server.folder)
    (server.folder / "images/pxeboot/vmlinuz").unlink()
    (server.folder / "images/pxeboot/initrd.img").write_bytes(b"")

    found = rows(kk.check_source(practice, server.url()))

    assert found["kernel"][0] == "FAIL"
    assert "vmlinuz is not there: its server answers, and says 404" in found["kernel"][1]
    assert found["initrd"] == ("FAIL", "images/pxeboot/initrd.img is empty")


def test_a_redirect_without_end(practice: kk.Host, server: Files) -> None:
    server.moved = {"/.treeinfo": "/a", "/a": "/.treeinfo"}

    assert "leads on without end" in rows(kk.check_source(practice, server.url()))["source"][1]


def test_a_server_that_stops_half_way(practice: kk.Host, server: Files) -> None:
    treeinfo(server.folder)
    server.before = lambda path, place: path == "/.treeinfo"

    found = rows(kk.check_source(practice, server.url()))

    assert found["source"][0] == "FAIL"
    assert "broke off after 0 bytes of" in found["source"][1]


def test_images_are_told_by_their_content(practice: kk.Host, server: Files) -> None:
    iso(server.folder / "rescue.iso")
    qcow2(server.folder / "cloud.img")
    qcow2(server.folder / "top.qcow2", "-b", "/etc/shadow", "-F", "raw", "-u", written="")
    (server.folder / "page.qcow2").write_text("<html>")

    found = {
        name: rows(kk.check_source(practice, server.url(name)))["source"]
        for name in ("rescue.iso", "cloud.img", "top.qcow2", "page.qcow2")
    }

    assert found["rescue.iso"] == ("PASS", "rescue.iso is iso, 1.17 MiB")
    assert found["cloud.img"][1].startswith("cloud.img is qcow2, ")
    assert found["top.qcow2"][0] == found["page.qcow2"][0] == "FAIL"
    assert "lies on top of another file, '/etc/shadow'" in found["top.qcow2"][1]
    assert "page.qcow2 is text" in found["page.qcow2"][1]


def test_what_lets_others_in_is_not_shown(practice: kk.Host, server: Files) -> None:
    with pytest.raises(kk.InvalidSpec) as caught:
        kk.check_source(practice, "http://me:geheim@127.0.0.2/")
    report = kk.check_source(practice, server.url("gone.iso?token=geheim"))

    assert "geheim" not in str(caught.value) + str(report) + report._repr_html_()


@pytest.mark.parametrize(
    ("arch", "machine", "status"),
    [
        *(("x86_64", "x86_64", "PASS"), ("i686", "x86_64", "PASS"), ("aarch64", "aarch64", "PASS")),
        *(("aarch64", "x86_64", "FAIL"), ("x86_64", "i686", "FAIL")),
    ],
)
def test_an_architecture_that_the_host_does_not_run(arch: str, machine: str, status: str) -> None:
    assert str(_judge_arch(arch, machine).status) == status


def test_a_slow_source_is_a_warning() -> None:
    assert (str(_speed("speed", MIB // 2, 20).status), _speed("speed", MIB // 2, 20).found) == (
        "WARN",
        "a MiB takes 40 s",
    )
    assert _speed("speed", MIB, 0.05).found == "a MiB takes 50 ms"
