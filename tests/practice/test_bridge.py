"""Bridges on the practice host: made for real in its sandbox, rehearsed where the machine allows none."""

import os
import threading
from pathlib import Path

import pytest
from plumbum import local

import kvmkit as kk
from kvmkit.bridge.read import read_network
from tests.practice.kernels import URI

SPEC = kk.BridgeSpec(nic="eth0", bridge="br0")


@pytest.fixture
def host() -> kk.Host:
    kk.fresh_practice_host()
    host = kk.connect(URI)
    try:
        host.networked()
    except kk.Unsupported as error:
        pytest.skip(str(error))
    return host


def test_a_bridge_is_made_kept_and_undone(host: kk.Host) -> None:
    before = read_network(host)
    report = kk.apply(kk.plan_bridge(host, SPEC))

    assert report.ok
    assert kk.bridges(host)[["ports", "addresses"]].values.tolist() == [["eth0", "192.168.0.100/24"]]
    assert kk.plan_bridge(host, SPEC).empty
    assert kk.undo(report).ok
    assert read_network(host) == before
    assert host.networked().run(["ls", "/run/kvmkit"], ok=False).exit_code != 0


def test_what_nobody_confirms_is_rolled_back(host: kk.Host) -> None:
    before = read_network(host)
    with pytest.raises(kk.ApplyFailed, match=r"it was not confirmed\..*the host is as before"):
        kk.apply(kk.plan_bridge(host, SPEC), ask=lambda _step, _seconds: False)

    assert read_network(host) == before


@pytest.mark.parametrize("step", [0, 1], ids=["trial", "keep"])
def test_a_person_who_cancels_has_the_network_put_back(host: kk.Host, step: int) -> None:
    """In the midst of the trial at once; a bridge that is being kept is kept first."""
    before = read_network(host)
    plan, cancel = kk.plan_bridge(host, SPEC), threading.Event()
    title = plan.steps[step].title
    with pytest.raises(kk.Cancelled, match=r"cancelled by a person\..*the host is as before"):
        kk.apply(plan, cancel=cancel, progress=lambda told: cancel.set() if told == title else None)

    assert read_network(host) == before
    assert kk.pending(host) == []
    assert kk.history(host)["what"].tolist() == ["put eth0 into bridge br0, cancelled by a person"]


def test_a_wrong_gateway_is_rolled_back(host: kk.Host) -> None:
    before = read_network(host)
    wrong = {"addressing": "static", "address": "192.168.0.100/24", "gateway": "192.168.0.254", "timeout": 4}
    with pytest.raises(
        kk.ApplyFailed, match=r"192\.168\.0\.254 does not answer: the host put its network back"
    ):
        kk.apply(kk.plan_bridge(host, SPEC.model_copy(update=wrong)))

    assert read_network(host) == before


def test_undo_in_another_life_of_the_host_has_nothing_to_do(host: kk.Host) -> None:
    """Plain ip commands are lost with a reboot, and here with the process."""
    plan = kk.plan_bridge(host, SPEC)
    kk.apply(plan)
    assert host.practice
    host.practice.sandbox().end()

    assert kk.undo(host, plan.id).ok
    assert kk.bridges(host).empty


def test_a_vm_is_put_on_the_bridge_that_was_made(host: kk.Host) -> None:
    kk.apply(kk.plan_bridge(host, SPEC))

    assert kk.apply(kk.plan_vm(host, kk.VMSpec(name="web1", bridge="br0"))).ok
    bridged, _, _ = str(kk.topology(host)).partition("virbr0")
    assert "VM web1: running" in bridged


def test_where_the_machine_allows_no_network_a_bridge_is_rehearsed(tmp_path: Path) -> None:
    kk.fresh_practice_host()
    unshare = tmp_path / "unshare"
    unshare.write_text("#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n")
    unshare.chmod(0o755)
    with local.env(PATH=f"{tmp_path}:{os.environ['PATH']}"):
        report = kk.apply(kk.plan_bridge(kk.connect(URI), SPEC))

    assert {row.status for row in report.checks} == {kk.Status.SKIP}
    assert all("rehearsed: this machine allows no network" in row.found for row in report.checks)
    assert kk.history(kk.connect(URI)).empty


def test_a_bridge_on_which_a_vm_runs_is_not_taken_from_it(host: kk.Host) -> None:
    report = kk.apply(kk.plan_bridge(host, SPEC))
    kk.apply(kk.plan_vm(host, kk.VMSpec(name="web1", bridge=SPEC.bridge)))

    with pytest.raises(
        kk.ApplyFailed, match=r"VM web1 of .* would be cut off, .*shut down the VMs on it first"
    ):
        kk.undo(report)

    kk.destroy(host, "web1")
    assert kk.undo(report).ok
