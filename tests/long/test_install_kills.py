"""The process is killed while it installs: the installer goes on meanwhile, and what was secret is gone."""

import pytest

import kvmkit as kk
from tests.lab.waiting import wait_until
from tests.realqemu.install import tiny
from tests.realqemu.vm.faults import KILLING, Points, nothing, run_until_killed
from tests.realqemu.vm.world import World


def test_an_installer_that_ends_while_nobody_watches_is_not_run_again(world: World, location: str) -> None:
    plan = tiny.plan(world.host, location, tiny.ENDS, answers="none")
    with Points(KILLING, 0, nothing) as whole:
        report = kk.apply(plan)
    assert kk.undo(report).ok

    run_until_killed(whole.passed.index("after setMetadata"), "apply", plan.model_dump_json())
    wait_until(
        lambda: kk.vms(world.host).loc["small", "state"] == "shut off", "the installer has ended", timeout=600
    )
    [left] = kk.pending(world.host)
    with Points(("after",), 0, nothing) as rest:
        assert kk.apply(left).ok

    assert rest.passed.count("after create") == 1  # the first boot of what it left


def test_killed_before_the_answers_were_sent_it_says_what_to_do(world: World, location: str) -> None:
    before, plan = world.state(), tiny.plan(world.host, location, tiny.ENDS)
    run_until_killed(3, "apply", plan.model_dump_json())  # the kernel's volume is there
    [left] = kk.pending(world.host)
    with pytest.raises(kk.ApplyFailed, match=r"ks\.cfg may hold secrets, so no journal has them"):
        kk.apply(left)

    assert world.state() == before
    assert kk.apply(tiny.plan(world.host, location, tiny.ENDS)).ok
