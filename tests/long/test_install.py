"""Installations that take longer than the one of the acceptance tests, or end half-way."""

import re
from pathlib import Path

import pytest

import kvmkit as kk
from tests.realqemu.vm.world import World
from tests.standin.scene import GATEWAY, install, key, near, tree, vm, wanted
from tests.unit.install.servers import Files, ftp_files, http_files

__all__ = ["key", "near", "tree"]

SHOWN = Path(__file__).parents[2] / "docs/explanation/installation"
"""What docs/ shows: the last installation, in words (.txt) and in a picture (.svg)."""


def test_a_tree_on_an_ftp_server_becomes_a_system_by_answers_on_a_cd(
    near: World, tree: Path, key: Path
) -> None:
    before = near.state()
    with ftp_files(tree, GATEWAY) as location:
        report = install(near, location, key, "seed")
    show(report)

    kk.undo(report)
    assert near.state() == before


def show(report: kk.Report) -> None:
    """Keep it for docs/, without what is the lab's alone: the command by which it is reached."""
    SHOWN.with_suffix(".txt").write_text("".join(f"{row.check}: {row.found}\n" for row in report.checks))
    SHOWN.with_suffix(".svg").write_text(re.sub(r"\?command=[^<]*", "", kk.timeline(report).svg) + "\n")


def test_a_server_that_stops_half_way_is_told_and_nothing_is_left(near: World, tree: Path, key: Path) -> None:
    before = near.state()
    with http_files(tree, GATEWAY) as files:
        plan = kk.plan_vm(near.host, vm(), wanted(files.url(), key))
        stop_after(files, "linux-image")
        with pytest.raises(kk.ApplyFailed, match="installing the payload"):
            kk.apply(plan)
    assert any("linux-image" in path for path, _ in files.asked)
    assert near.state() == before


def stop_after(files: Files, name: str) -> None:
    """Break off in the middle of a package, and answer nothing from then on."""
    stopped = []

    def before(path: str, place: int) -> bool:
        stopped.extend([True] * (name in path and place > 0))
        return bool(stopped)

    files.before = before
