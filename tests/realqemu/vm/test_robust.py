"""A daemon that goes away and comes back, a command that does not end, and how often a host is asked."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import libvirt
import pandas as pd
import pytest

import kvmkit as kk
from kvmkit import commands
from tests.realqemu.vm.faults import CREATING, FAILING, Points
from tests.realqemu.vm.world import World


@pytest.fixture
def _libvirtd_stopped(world: World) -> Iterator[None]:
    kk.vms(world.host)
    world.lab.stop_libvirtd()
    yield
    world.lab.start_libvirtd()


def test_a_daemon_that_was_restarted_is_connected_to_again(world: World, host: kk.Host) -> None:
    world.define("other")
    assert list(kk.vms(host).index) == ["other"]

    world.lab.restart_libvirtd()

    assert list(kk.vms(host).index) == ["other"]
    kk.start(host, "other")
    world.lab.restart_libvirtd()
    kk.destroy(host, "other")


@pytest.mark.usefixtures("_libvirtd_stopped")
def test_a_daemon_that_is_down(host: kk.Host, capfd: pytest.CaptureFixture[str]) -> None:
    for ask in (kk.vms, kk.volumes, lambda host: kk.plan_vm(host, kk.VMSpec(name="new"))):
        with pytest.raises(
            kk.HostUnavailable, match=r"libvirt does not answer on .* `systemctl start libvirtd`"
        ):
            ask(host)

    assert not kk.check_host(host).ok
    assert capfd.readouterr() == ("", "")


def test_a_plan_waits_for_a_daemon_that_went_away(world: World, host: kk.Host, small_plan: kk.Plan) -> None:
    volume_made = CREATING.index("after createXML")
    with (
        Points(FAILING, volume_made, world.lab.stop_libvirtd),
        pytest.raises(kk.ApplyFailed, match=r"Taking it back failed too: .*kk\.apply continues it"),
    ):
        kk.apply(small_plan)

    world.lab.start_libvirtd()
    [left] = kk.pending(host)
    assert kk.apply(left).ok
    assert kk.vms(host).loc["small", "state"] == "running"


def test_a_daemon_that_hangs_is_named(world: World, host: kk.Host, monkeypatch: pytest.MonkeyPatch) -> None:
    world.define("other")
    monkeypatch.setattr("kvmkit.host.KEEP_ALIVE", (1, 2))
    monkeypatch.setattr("kvmkit.host.OPENING", 3)
    monkeypatch.setattr(host, "_idle", [])
    kk.vms(host)

    with world.hanging_libvirtd() as hang, host.changing("start a VM") as connection:
        hang()
        with pytest.raises(libvirt.libvirtError, match="keepalive timeout"):
            connection.lookupByName("other").create()
        for ask in (kk.vms, kk.volumes, lambda host: kk.console(host, "other")):
            with pytest.raises(
                kk.HostUnavailable,
                match=r"nothing came in 3 s\. Its daemon hangs.*systemctl restart libvirtd",
            ):
                ask(host)

    assert list(kk.vms(host).index) == ["other"]


def test_a_vm_that_is_stuck_holds_no_list_up(world: World, host: kk.Host) -> None:
    world.define("stuck")
    kk.start(host, "stuck")
    number = world.file("/run/libvirt/qemu/stuck.pid").read_text()
    listed: list[pd.DataFrame] = []
    asking = threading.Thread(target=lambda: listed.append(kk.vms(host)), daemon=True)
    world.lab.run(["kill", "-STOP", number])
    try:
        asking.start()
        asking.join(30)
    finally:
        world.lab.run(["kill", "-CONT", number])

    assert [(frame.loc["stuck", "state"], frame.loc["stuck", "memory_mib"]) for frame in listed] == [
        ("running", 64)
    ]


def test_a_command_has_its_time(host: kk.Host) -> None:
    start = time.monotonic()
    with pytest.raises(kk.CommandTimeout, match="sleep 100") as late:
        host.run(["sh", "-c", "echo begun; sleep 100"], timeout=0.5)

    assert time.monotonic() - start < 50
    assert late.value.stdout == "begun\n"
    assert late.value.host == host.uri


def test_a_grandchild_that_keeps_the_output_open_holds_nobody_up(
    world: World, host: kk.Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "GRACE", 1)

    start = time.monotonic()
    with pytest.raises(kk.CommandTimeout):
        host.run(["setsid", "--fork", "sleep", "100"], timeout=0.5)

    assert time.monotonic() - start < 50
    assert host.run(["echo", "well"]).stdout == "well\n"


def test_a_command_that_fails_says_all_about_it(host: kk.Host) -> None:
    with pytest.raises(kk.CommandFailed, match="no such thing") as failed:
        host.run(["sh", "-c", "echo out; echo no such thing >&2; exit 3"])

    error = failed.value
    assert (error.exit_code, error.stdout, error.stderr) == (3, "out\n", "no such thing\n")
    assert error.argv[:2] == ["sh", "-c"]
    assert error.host == host.uri


def test_words_stay_words_over_ssh(host: kk.Host) -> None:
    words = ["a b", "$(touch /tmp/x)", "'\"", "*", "é\n;", ""]

    assert host.run(["printf", "%s|", *words]).stdout == "".join(f"{word}|" for word in words)
    assert host.run(["cat"], stdin="given\n").stdout == "given\n"


def test_facts_come_in_few_round_trips(host: kk.Host, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    run = commands.Ssh.run

    def counted(self: commands.Ssh, argv: list[str], *how: Any) -> commands.Result:
        asked.append(argv)
        return run(self, argv, *how)

    monkeypatch.setattr(commands.Ssh, "run", counted)

    kk.vms(host)
    assert len(asked) == 0
    kk.check_host(host)
    assert len(asked) == 1
    kk.plan_vm(host, kk.VMSpec(name="new", memory_mib=64))
    assert len(asked) == 3
