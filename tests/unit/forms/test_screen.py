"""A VM's screen that is followed, on the practice host without a kernel."""

import importlib
import threading
from collections.abc import Callable

import pytest
from PIL import Image

import kvmkit as kk

HOST = kk.connect("test:///default")
MODULE = importlib.import_module("kvmkit.forms.screen")  # whose name in the package is the function's
BOUND = 60


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have a person there, and a screen that changes; wait for two more looks at it."""
    looked = threading.Semaphore(0)
    colours = iter(range(1000))

    def picture(host: kk.Host, name: str) -> Image.Image:
        kk.screenshot(host, name)  # refuses what it refuses
        looked.release()
        return Image.new("L", (4, 4), next(colours) % 256)

    def two_more() -> None:
        while looked.acquire(blocking=False):
            pass
        assert looked.acquire(timeout=BOUND)
        assert looked.acquire(timeout=BOUND)

    monkeypatch.setattr(MODULE, "EVERY", 0.01)
    monkeypatch.setattr(MODULE, "person_is_there", lambda: True)
    monkeypatch.setattr(MODULE, "screenshot", picture)
    return two_more


def wait_for(screen: kk.Screen) -> None:
    assert screen._thread is not None
    screen._thread.join(BOUND)
    assert not screen._thread.is_alive()


def test_without_a_person_it_is_one_picture() -> None:
    screen = kk.screen(HOST, "demo")

    assert bytes(screen._image.value).startswith(b"\x89PNG")
    assert screen._thread is None
    assert screen._repr_mimebundle_()["text/plain"] == "Screen of VM demo on test:///default"


def test_it_follows_until_it_is_stopped_and_goes_on(looks: Callable[[], None]) -> None:
    screen = kk.screen(HOST, "demo")
    first = screen._image.value
    looks()
    screen._button.click()  # Stop
    stopped = screen._image.value
    assert stopped != first
    assert (screen._button.description, "stopped" in screen._state.value) == ("Go on", True)

    screen._button.click()
    looks()
    screen.close()
    assert screen._image.value != stopped
    assert not any(thread.name == repr(screen) for thread in threading.enumerate())


def test_it_ends_when_the_vm_is_off_and_says_so(looks: Callable[[], None]) -> None:
    screen = kk.screen(HOST, "demo")
    looks()
    kk.destroy(HOST, "demo")
    wait_for(screen)

    assert "it is shut off" in screen._state.value
    assert screen._button.description == "Go on"


def test_a_fault_of_the_thread_that_follows_is_seen(
    looks: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = kk.screen(HOST, "demo")
    looks()
    monkeypatch.setattr(MODULE, "screenshot", lambda host, name: dict[str, Image.Image]()["nothing"])
    wait_for(screen)

    assert "KeyError" in screen._fault.value
    assert screen._button.description == "Go on"


def test_it_ends_when_its_time_is_over(looks: Callable[[], None]) -> None:
    screen = kk.screen(HOST, "demo", seconds=0.05)
    wait_for(screen)

    assert "stopped after" in screen._state.value


def test_what_has_no_screen_is_refused_in_the_cell() -> None:
    with pytest.raises(kk.NotFound):
        kk.screen(HOST, "web9")
    kk.destroy(HOST, "demo")
    with pytest.raises(kk.WrongState, match="it is shut off"):
        kk.screen(HOST, "demo")
