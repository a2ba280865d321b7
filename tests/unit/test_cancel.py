"""A plan that a person cancels while it is applied: by another thread's event, or by Ctrl-C."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

import kvmkit as kk
from kvmkit.commands import Local
from kvmkit.journal import entries
from kvmkit.progress import Stop, cancellable, safe_point, stoppable
from tests.lab.waiting import wait_until
from tests.unit.world import URI, World, host, plan, state, step


def cancelled_at(what: str) -> tuple[threading.Event, kk.Cancelled]:
    """Cancel once a step begins; give the event and what `apply` raised."""
    cancel = threading.Event()
    with pytest.raises(kk.Cancelled) as caught:
        kk.apply(plan(), progress=lambda told: cancel.set() if told == what else None, cancel=cancel)
    return cancel, caught.value


@pytest.mark.parametrize("name", "abc")
def test_the_step_is_finished_and_then_all_is_taken_back(world: World, name: str) -> None:
    _, error = cancelled_at(f"make {name}")

    assert world.things == []
    assert world.did[-1] == "unmake a"
    assert f"make {name}" in world.did
    assert "cancelled by a person. What had been done is undone: the host is as before." in str(error)
    assert "cancelled by a person" in error.report.frame["found"].tolist()
    assert state() == ["undone"]
    assert kk.history(host())["what"].tolist() == ["make things, cancelled by a person"]
    assert kk.pending(host()) == []


def test_what_is_cancelled_before_it_begins_touches_nothing(world: World) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(kk.Cancelled, match=r"at 'make a': cancelled by a person.*the host is as before"):
        kk.apply(plan(), cancel=cancel)

    assert world.did == []


def test_what_was_cancelled_can_be_applied_again(world: World) -> None:
    cancelled_at("make b")
    assert kk.apply(plan()).ok

    assert world.things == ["a", "b", "c"]
    assert [entry.why for entry in entries(URI)] == ["cancelled by a person", ""]


def test_after_a_loss_a_cancelled_plan_is_left_to_go_on(world: World) -> None:
    cancel = threading.Event()
    losing = plan(step("a"), step("b", lost="all that was on b"), step("c"))
    with pytest.raises(kk.Cancelled, match="gone for good: all that was on b") as caught:
        kk.apply(losing, progress=lambda told: cancel.set() if told == "make b" else None, cancel=cancel)

    assert "kk.pending(host) holds the plan" in str(caught.value)
    assert world.things == ["a", "b"]
    assert kk.history(host())["what"].tolist() == ["make things, cancelled by a person"]
    assert kk.apply(kk.pending(host())[0]).ok


def test_taking_back_is_not_cancelled_in_the_midst_of_a_step(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Actions have safe points in code that their way back uses, too."""
    do = world.do

    def stopping(*args: Any) -> None:
        do(*args)
        safe_point()

    monkeypatch.setattr(world, "do", stopping)
    cancelled_at("make b")

    assert world.things == []
    assert state() == ["undone"]


def press_ctrl_c(what: str) -> None:
    """Do what a terminal does, and wait until Python has called the handler."""
    handler = signal.getsignal(signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    wait_until(lambda: signal.getsignal(signal.SIGINT) is not handler, f"the handler, at {what}")


def test_ctrl_c_lets_the_step_be_finished(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(kk.Cancelled, match="the host is as before"):
        kk.apply(plan(), progress=lambda told: press_ctrl_c(told) if told == "make b" else None)

    assert world.did == ["make a", "make b", "unmake b", "unmake a"]
    assert capsys.readouterr().err.count("once more interrupts at once") == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_interrupts_at_once_and_all_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    do = world.do

    def twice(verb: str, thing: str, *rest: Any) -> None:
        if (verb, thing) == ("make", "b"):
            press_ctrl_c("make b")
            os.kill(os.getpid(), signal.SIGINT)
            wait_until(lambda: False, "the interrupt")
        do(verb, thing, *rest)

    monkeypatch.setattr(world, "do", twice)
    with pytest.raises(kk.ApplyFailed, match=r"at 'make b': interrupted\..*the host is as before"):
        kk.apply(plan())

    assert world.did == ["make a", "unmake a"]


def test_an_interrupted_way_back_says_how_to_go_on(world: World) -> None:
    world.fails = {"before make c": RuntimeError("boom"), "before unmake b": KeyboardInterrupt()}
    with pytest.raises(kk.ApplyFailed, match=r"Taking it back failed too: 'make b': interrupted.*kk\.undo"):
        kk.apply(plan())

    world.fails.clear()
    kk.undo(host(), plan().id)
    assert world.things == []


def test_ctrl_c_ends_an_undo_between_two_steps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    report = kk.apply(plan())
    do = world.do

    def pressing(verb: str, thing: str, *rest: Any) -> None:
        if (verb, thing) == ("unmake", "b"):
            press_ctrl_c("unmake b")
        do(verb, thing, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(world, "do", pressing)
        with pytest.raises(kk.ApplyFailed, match=r"kk\.undo\(host, .*'make a': cancelled by a person$"):
            kk.undo(report)
    assert world.things == ["a"]

    kk.undo(report)
    assert world.things == []


def test_a_thread_leaves_the_keyboard_alone(world: World) -> None:
    seen: list[object] = []
    thread = threading.Thread(
        target=lambda: kk.apply(plan(), progress=lambda _: seen.append(signal.getsignal(signal.SIGINT)))
    )
    thread.start()
    thread.join()

    assert set(seen) == {signal.getsignal(signal.SIGINT)}


TICKING = "echo $$ >part; mv part runs; until [ -e go_on ]; do echo tick; sleep 0.1; done; echo whole"


@pytest.mark.parametrize("may_be_killed", [True, False])
def test_only_a_command_that_may_be_killed_is_killed(tmp_path: Path, may_be_killed: bool) -> None:
    cancel, runs, said = threading.Event(), tmp_path / "runs", list[str]()

    def run() -> None:
        try:
            with cancellable(cancel), stoppable() if may_be_killed else contextlib.nullcontext():
                argv = ["env", "-C", str(tmp_path), "sh", "-c", TICKING]
                Local("here").run(argv, "", 600, said.append)
        except Stop:
            said.append("killed")

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(runs.exists, "the command")
    process = psutil.Process(int(runs.read_text()))
    cancel.set()
    if not may_be_killed:
        heard = len(said)
        wait_until(lambda: len(said) > heard + 20, "what it says long after it was cancelled")
        (tmp_path / "go_on").touch()
    thread.join(60)

    assert said[-1] == ("killed" if may_be_killed else "whole")
    assert not psutil.wait_procs([process], timeout=60)[1]


PROGRAM = """
import kvmkit as kk
from kvmkit import actions

class Slow:
    def made(self, host, step, state, token):
        return state == "done"
    def make(self, host, step, token):
        print("making", flush=True)
        input()
        print("made", flush=True)
    def unmake(self, host, step):
        print("taken back", flush=True)

actions.action("slow", Slow())
plan = kk.Plan(uri="test:///default", title="slow", steps=(kk.Step(action="slow", title="be slow"),))
try:
    kk.apply(plan)
except kk.Cancelled as error:
    print(error, flush=True)
"""


def test_ctrl_c_of_a_real_session_says_where_the_host_stands() -> None:
    pipe = subprocess.PIPE
    argv = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(argv, text=True, stdin=pipe, stdout=pipe, stderr=pipe) as session:
        assert session.stdout
        assert session.stderr
        assert session.stdout.readline() == "making\n"
        session.send_signal(signal.SIGINT)
        assert session.stderr.readline().startswith("Cancelling at the next safe point")
        said, _ = session.communicate("go on\n", timeout=120)

    assert said.splitlines()[:2] == ["made", "taken back"]
    assert "cancelled by a person. What had been done is undone: the host is as before." in said
