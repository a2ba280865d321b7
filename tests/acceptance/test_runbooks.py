"""The runbooks as they are, by papermill over SSH, on a real KVM host."""

from pathlib import Path

from tests.acceptance.runbook import create_vm, run
from tests.vhost.host import VirtualHost


def test_check_host_finds_the_host_ready(ready: VirtualHost, tmp_path: Path) -> None:
    assert f"{ready.uri} is ready" in run("10-check-host", tmp_path, uri=ready.uri)


def test_create_vm_runs_one_under_kvm(ready: VirtualHost, tmp_path: Path) -> None:
    create_vm(ready, tmp_path)
