"""A blank disk becomes a system, without a key pressed."""

from pathlib import Path

import kvmkit as kk
from tests.realqemu.vm.world import World
from tests.standin.scene import GATEWAY, install, key, near, tree
from tests.unit.install.servers import http_files

__all__ = ["key", "near", "tree"]


def test_a_tree_on_an_http_server_becomes_a_system_that_is_logged_in_to(
    near: World, tree: Path, key: Path
) -> None:
    before = near.state()
    with http_files(tree, GATEWAY) as files:
        report = install(near, files.url(), key, "initrd")

    kk.undo(report)
    assert near.state() == before
