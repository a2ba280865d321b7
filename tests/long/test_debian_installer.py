"""Debian's own installer obeys what kvmkit answers, up to the components that are not to be had."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import kvmkit as kk
from tests.realqemu.vm.world import World
from tests.standin import debian_installer
from tests.standin.scene import GATEWAY, TIMEOUT, key, near, public, vm
from tests.unit.install.servers import http_files

__all__ = ["key", "near"]


@pytest.fixture(scope="module")
def archive() -> Path:
    if reason := debian_installer.unavailable():
        pytest.skip(reason)
    return debian_installer.build()


@contextlib.contextmanager
def logged() -> Iterator[tuple[str, list[str]]]:
    """Take what the installer logs: kernel arguments that send it here, and the lines as they come."""
    said: list[str] = []

    def take(server: socket.socket) -> None:
        while line := server.recv(65536):
            said.append(line.decode(errors="replace"))

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((GATEWAY, 0))
        thread = threading.Thread(target=take, args=(server,))
        thread.start()
        try:
            yield f"log_host={GATEWAY} log_port={server.getsockname()[1]}", said
        finally:
            server.sendto(b"", server.getsockname())
            thread.join()


def given(said: list[str]) -> dict[str, str]:
    """Look what its parts got when they asked debconf for an answer."""
    asked = [line.rstrip().partition("debconf: ")[2] for line in said if "debconf: " in line]
    return {
        question.removeprefix("--> GET "): answer.removeprefix("<-- 0 ")
        for question, answer in pairwise(asked)
        if question.startswith("--> GET ") and answer.startswith("<-- 0 ")
    }


@pytest.mark.parametrize("delivery", ["initrd", "http"])
def test_debians_installer_obeys_until_its_components_are_not_there(
    near: World, archive: Path, key: Path, delivery: str
) -> None:
    before = near.state()
    with http_files(archive, GATEWAY) as files, logged() as (log_there, said):
        system = kk.InstallSpec.model_validate(
            {
                "location": files.url(debian_installer.TREE),
                "hostname": "deb1.example.org",
                "user": "ada",
                "ssh_keys": public(key),
                "delivery": delivery,
                # debconf tells the log of each question; answers to it are no secrets here.
                "kernel_args": f"console=ttyS0 DEBCONF_DEBUG=developer {log_there}",
                "timeout": TIMEOUT,
            }
        )
        with pytest.raises(kk.ApplyFailed, match="the installer asks, and nobody answers") as failed:
            kk.apply(kk.plan_vm(near.host, vm(), system))

    # It has read the answers, from where they were.
    happened = [check.found for check in failed.value.report.checks]
    assert any(what.startswith("preseed.cfg is fetched: ") for what in happened) == (delivery == "http")
    answers = given(said)
    assert answers["netcfg/hostname"] == "deb1"
    assert answers["mirror/http/hostname"] == files.url().split("/")[2]
    # It has asked that mirror what it offers, trusts it, and misses the first component that it wants.
    asked = [path for path, _ in files.asked]
    suite = f"/{debian_installer.SUITE}"
    wanted = [f"{suite}/Release", f"{suite}/Release.gpg", f"/{debian_installer.INDEX}"]
    assert [path for path in asked if path in wanted][-3:] == wanted
    assert any('gpgv: Good signature from "Debian' in line for line in said)
    assert asked[-1].endswith(".udeb")
    # So it asks what nobody answers, which is said with the question, and nothing is left.
    assert "Downloading a file failed: 1: Retry" in str(failed.value)
    assert "it loads its components" in happened
    assert near.state() == before
