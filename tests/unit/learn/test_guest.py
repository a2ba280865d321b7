"""The twelve-byte guest: run for real where /dev/kvm can be used, else recorded and said to be."""

import inspect
import os
import platform
import re

import psutil
import pytest

import kvmkit as kk
from kvmkit import learn
from kvmkit.commands import Local, Result
from kvmkit.learn import guest, twelve_bytes

URI = "test:///default"


def kvm_is_usable() -> bool:
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError:
        return False
    return os.uname().machine == "x86_64"


@pytest.fixture
def host() -> kk.Host:
    return kk.connect(URI)


def test_the_code_is_taken_apart_to_the_last_byte() -> None:
    table = learn.code_table()

    assert bytes.fromhex("".join(table["bytes"])) == twelve_bytes.CODE
    assert len(twelve_bytes.CODE) == 12
    assert table.index[0] == "0x1000"


@pytest.mark.skipif(
    not kvm_is_usable(), reason="no /dev/kvm of an x86-64 processor that this account may open"
)
def test_the_guest_writes_twice_and_halts(host: kk.Host) -> None:
    run = learn.run_guest(host)

    assert run.recorded == ""
    assert [exit_.reason for exit_ in run.exits] == ["IO", "IO", "HLT"]
    assert [(exit_.port, exit_.data) for exit_ in run.exits[:2]] == [(0x3F8, b"4"), (0x3F8, b"\n")]
    assert run.said == "4\n"
    assert repr(run).startswith("just run on the machine of this notebook\n1. KVM_EXIT_IO")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            Result(0, '{"cannot": "/dev/kvm: No such file or directory"}', ""),
            "it cannot run .*/dev/kvm: No such file",
        ),
        (Result(127, "", "python3: command not found"), "python3: command not found"),
        (Result(-9, '{"version": 12}', ""), "it said nothing"),
        (
            Result(0, '{"version": 12}\n{"reason": "17", "port": 0, "data": "", "microseconds": 1}', ""),
            "does not run",
        ),
    ],
    ids=["no device", "no python3", "killed", "fails"],
)
def test_where_it_cannot_run_a_recorded_run_is_shown_and_says_so(
    host: kk.Host, monkeypatch: pytest.MonkeyPatch, answer: Result, why: str
) -> None:
    monkeypatch.setattr(Local, "run", lambda *_: answer)
    run = learn.run_guest(host)

    assert run.said == "4\n"
    assert repr(run).startswith("RECORDED on a cloud machine, x86-64")
    assert "RECORDED" in run._repr_html_()
    assert re.search(why, run.recorded)


def test_a_guest_that_does_not_end_is_killed(host: kk.Host, monkeypatch: pytest.MonkeyPatch) -> None:
    # As a guest that hangs in guest mode: the process does not come back from its ioctl.
    monkeypatch.setattr(guest, "SECONDS", 1)
    monkeypatch.setattr(inspect, "getsource", lambda _: "import time\ntime.sleep(600)\n")
    before = set(psutil.Process().children(recursive=True))
    run = learn.run_guest(host)

    assert run.recorded == "on the machine of this notebook it did not end in 1 s and was killed"
    assert set(psutil.Process().children(recursive=True)) <= before


def test_it_says_which_processor_its_code_is_not_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    twelve_bytes.main()

    assert "its code is for x86, and this processor is aarch64" in capsys.readouterr().out


def test_a_device_that_may_not_be_opened_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied", "/dev/kvm")

    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(os, "open", refused)
    twelve_bytes.main()

    assert "/dev/kvm: Permission denied" in capsys.readouterr().out


def test_what_is_shown_is_what_is_run() -> None:
    shown = learn.guest_program()

    assert shown.startswith("def run()")
    assert "fcntl.ioctl(vcpu, RUN)" in shown
