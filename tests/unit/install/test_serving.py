"""Answers got over HTTP: by whom, how often, and at which address alone."""

import contextlib
import http.client
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

import kvmkit as kk
from kvmkit.install import serving
from kvmkit.install.serving import serve_once
from tests.lab.waiting import wait_until

FILES = {
    "ks.cfg": "rootpw --iscrypted '$6$salt$hash'\n",
    "user-data": "#cloud-config\nname: 名\n",
    "empty": "",
}


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


# Of somebody else, of all, of several, or in a notation by which a socket would listen elsewhere.
UNFIT = [
    *(
        "192.0.2.1",
        "0.0.0.0",  # noqa: S104 (all of them are refused)
        "::",
        "0",
        "0x0",
        "00.0.0.0",
        "0.0",
        "",
        "localhost",
        "*",
        "127.1",
        "2130706433",
    ),
    *(
        "::ffff:0.0.0.0",
        "::ffff:0:0",
        "::ffff:127.0.0.1",
        "0:0:0:0:0:ffff:7f00:1",
        "::0.0.0.0",
        "::%1",
        "::%lo",
    ),
    *("224.0.0.1", "ff02::1", "255.255.255.255", "fe80::1%lo", "fe80::1", " 127.0.0.1", "127.0.0.1\n"),
]


@pytest.mark.parametrize("address", UNFIT)
def test_an_address_that_is_not_one_of_this_machine_alone_is_refused(address: str) -> None:
    assert not serving._ours(address)
    with pytest.raises(kk.Unsupported, match="'initrd' or 'seed'"), serve_once(address, FILES):
        pass


def test_who_drips_is_cut_off_and_the_number_of_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "CLIENT_SECONDS", 1.0)
    before = threading.active_count()
    with serve_once("127.0.0.1", FILES) as served, contextlib.ExitStack() as stack:
        where = "127.0.0.1", urlsplit(served.folder).port or 0
        lines = [stack.enter_context(socket.create_connection(where, 30)) for _ in range(100)]
        wait_until(lambda: threading.active_count() <= before + 20, "the others were cut off")
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() < began + 60:  # never silent for long
                lines[-1].sendall(b"G")
                time.sleep(0.05)
        assert time.monotonic() < began + 60
        assert fetch(served.urls["ks.cfg"]) == (200, FILES["ks.cfg"])


def test_who_is_connected_when_it_ends_is_cut_off() -> None:
    with serve_once("127.0.0.1", FILES) as served:
        line = socket.create_connection(("127.0.0.1", urlsplit(served.folder).port or 0), 30)
        line.sendall(b"GET /")
        wait_until(
            lambda: any("process_request" in thread.name for thread in threading.enumerate()), "it is served"
        )
    with line:
        assert line.recv(1) == b""


def test_a_guest_that_asks_for_ever_fills_no_list() -> None:
    with serve_once("127.0.0.1", FILES) as served:
        for _ in range(serving.MOST_FETCHES + 5):
            fetch(served.urls["empty"])
    assert len(served.fetches) == serving.MOST_FETCHES


def test_ipv6() -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
    with serve_once("::1", FILES) as served:
        assert fetch(served.urls["ks.cfg"]) == (200, FILES["ks.cfg"])
