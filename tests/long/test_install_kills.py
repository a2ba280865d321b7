"""The process is killed before the answers were sent: they are secret, and so cannot be sent later."""

import pytest

import kvmkit as kk
from tests.realqemu.install import tiny
from tests.realqemu.vm.faults import run_until_killed
from tests.realqemu.vm.world import World


def test_killed_before_the_answers_were_sent_it_says_what_to_do(world: World, location: str) -> None:
    before, plan = world.state(), tiny.plan(world.host, location, tiny.ENDS)
    run_until_killed(3, "apply", plan.model_dump_json())  # the kernel's volume is there
    [left] = kk.pending(world.host)
    with pytest.raises(kk.ApplyFailed, match=r"ks\.cfg may hold secrets, so no journal has them"):
        kk.apply(left)

    assert world.state() == before
    assert kk.apply(tiny.plan(world.host, location, tiny.ENDS)).ok
