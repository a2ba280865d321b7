"""Debian's sid, with the newest libvirt, QEMU and kernel: what the next release will be like."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import kvmkit as kk
from tests.acceptance.test_vm import run_and_clear
from tests.vhost.host import VirtualHost
from tests.vhost.pristine import pristine


@pytest.fixture
def sid() -> Iterator[VirtualHost]:
    with pristine("ready", "sid") as host:
        yield host


def test_a_ready_host_of_sid_fails_nowhere(sid: VirtualHost) -> None:
    assert sid.run(["virsh", "--version"]).stdout.startswith("12.")
    assert kk.check_host(kk.connect(sid.uri)).ok


def test_a_vm_of_sids_runs_under_kvm_and_leaves_nothing(sid: VirtualHost, tmp_path: Path) -> None:
    run_and_clear(sid, tmp_path)
