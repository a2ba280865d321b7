"""Calls into libvirt end, and what hangs holds nothing else up."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import libvirt
import pytest

import kvmkit as kk
from kvmkit import calls
from kvmkit.calls import Calls

URI = "qemu:///system"


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Have the test driver's screenshots and lookups of pools wait, as those of a real host may."""
    end = threading.Event()

    def wait(*_: object) -> bool:
        return end.wait(60)

    monkeypatch.setattr(calls, "SECONDS", 0.2)
    monkeypatch.setattr(calls, "LONG", {})
    monkeypatch.setattr(libvirt.virDomain, "screenshot", wait)
    monkeypatch.setattr(libvirt.virConnect, "storagePoolLookupByName", wait)
    yield end
    end.set()


def connection() -> Any:
    return Calls(libvirt.open("test:///default"), URI).connection


def test_what_is_found_makes_its_calls_in_the_same_way() -> None:
    opened = connection()
    [domain] = opened.listAllDomains()

    assert isinstance(domain, calls.Bounded)
    assert isinstance(domain.connect(), calls.Bounded)
    assert [type(found) for found, _ in opened.getAllDomainStats()] == [calls.Bounded]
    assert domain.name() == "test"
    assert domain.info()[0] == libvirt.VIR_DOMAIN_RUNNING
    with pytest.raises(libvirt.libvirtError, match="not found"):
        opened.lookupByName("another")


def test_a_thing_that_is_given_to_a_call_is_libvirts_own() -> None:
    opened = connection()
    stream = opened.newStream()
    mime = opened.lookupByName("test").screenshot(stream, 0)
    data = bytearray()
    stream.recvAll(lambda _stream, chunk, _opaque: data.extend(chunk), None)
    stream.finish()

    assert mime == "image/png"
    assert data.startswith(b"\x89PNG")


def test_a_call_that_hangs_is_left_and_says_what_hangs(hang: threading.Event) -> None:
    domain = connection().lookupByName("test")

    with pytest.raises(
        kk.Stuck, match=r"^VM test on qemu:///system does not answer: nothing came in 0\.2 s .*kk\.destroy"
    ):
        domain.screenshot(None, 0)
    # Its connection is not used by two at a time: libvirt's library does not bear that in all versions.
    with pytest.raises(kk.Stuck, match="an earlier call still waits"):
        domain.info()


def test_what_hangs_takes_one_place_and_other_connections_answer(hang: threading.Event) -> None:
    before = threading.active_count()
    for _ in range(10):
        with pytest.raises(kk.Stuck, match=r"kk\.pools\(host\) names a pool"):
            connection().storagePoolLookupByName("remote")

    assert threading.active_count() <= before + 1
    assert connection().listAllDomains()
    hang.set()


def test_libvirts_own_end_of_waiting_says_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(libvirt.libvirtError):  # type: ignore[misc]  # libvirt ships no types
        def __init__(self) -> None:
            self.err = (
                libvirt.VIR_ERR_OPERATION_TIMEOUT,
                0,
                "cannot acquire state change lock",
                0,
                "",
                "",
                "",
                0,
                0,
            )

    def late(*_: object) -> None:
        raise Late

    monkeypatch.setattr(libvirt.virDomain, "XMLDesc", late)
    with pytest.raises(kk.Stuck, match=r"VM test .*cannot acquire state change lock.*QEMU hangs"):
        connection().lookupByName("test").XMLDesc()


def test_a_process_ends_though_a_call_hangs() -> None:
    code = "import threading; from kvmkit import calls; calls._begun(threading.Event().wait)"

    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0
