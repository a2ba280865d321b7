"""A screen that is followed, as a page shows it, on real libvirt and QEMU."""

import importlib
import io

import pytest
from PIL import Image

import kvmkit as kk
from tests.lab.waiting import wait_until
from tests.realqemu.screen import shows_a_menu

MODULE = importlib.import_module("kvmkit.forms.screen")  # whose name in the package is the function's
BOUND = 60


def test_it_is_followed_to_the_menu_and_until_the_vm_is_off(
    host: kk.Host, small_plan: kk.Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, "person_is_there", lambda: True)
    kk.apply(small_plan)
    screen = kk.screen(host, "small")

    wait_until(lambda: shows_a_menu(Image.open(io.BytesIO(screen._image.value))), "GRUB's menu in the page")
    assert "follows the VM" in screen._state.value
    kk.destroy(host, "small")

    assert screen._thread is not None
    screen._thread.join(BOUND)
    assert screen._button.description == "Go on"
    assert "small" in screen._state.value
    assert "shut off" in screen._state.value
