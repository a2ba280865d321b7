"""Installers that do not come to their end."""

import re
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.install import watch
from tests.realqemu.install import tiny
from tests.realqemu.vm.world import World


def test_an_installer_that_panics_is_a_failure_with_its_last_words(world: World, location: str) -> None:
    before = world.state()
    with pytest.raises(kk.ApplyFailed, match="Kernel panic - not syncing") as failed:
        kk.apply(tiny.plan(world.host, location, tiny.PANICS))

    said = str(failed.value)
    assert "The last on its console:" in said
    assert "---[ end Kernel panic" in said
    picture = re.search(r"A picture of its screen: (\S+\.png)\.", said)
    assert picture
    assert Path(picture[1]).read_bytes().startswith(b"\x89PNG")
    assert "the host is as before" in said
    assert world.state() == before


def test_an_installer_that_asks_what_nobody_answers_is_a_failure(
    world: World, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "ASKING", 2)
    before = world.state()
    with pytest.raises(kk.ApplyFailed, match=r"nobody answers: \[!!\] Choose a mirror"):
        kk.apply(tiny.plan(world.host, location, tiny.WAITS))

    assert world.state() == before


def test_a_person_who_attends_may_take_any_time_to_answer(
    world: World, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "ASKING", 2)
    with pytest.raises(kk.ApplyFailed, match="the installer had 90 s and has not ended") as failed:
        kk.apply(tiny.plan(world.host, location, tiny.WAITS, answers="none", timeout=90))

    assert "\n[!!] Choose a mirror\n" in str(failed.value)
