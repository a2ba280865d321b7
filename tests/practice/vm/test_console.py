"""What a VM shows, and the commands by which one looks at it oneself."""

import shlex

import pytest

import kvmkit as kk
from kvmkit.commands import Ssh
from tests.practice.machines import define

SCREEN = "<graphics type='{}' port='{}' autoport='no' listen='{}'/>"


def test_a_screenshot_is_a_picture(host: kk.Host) -> None:
    picture = kk.screenshot(host, "demo")

    assert picture.format == "PNG"
    assert min(picture.size) > 0
    picture.load()


def test_a_vm_that_is_off_has_no_picture_and_it_is_said_how_to_start_it(host: kk.Host) -> None:
    kk.destroy(host, "demo")
    with pytest.raises(kk.WrongState, match=r"it is shut off; kk\.start\(host, 'demo'\)"):
        kk.screenshot(host, "demo")


def test_the_practice_host_runs_no_system_and_does_not_pretend_to(host: kk.Host) -> None:
    with pytest.raises(kk.Unsupported, match="runs no system, so its console says nothing"):
        kk.console_log(host, "demo")


@pytest.mark.parametrize("look", [kk.screenshot, kk.viewer_commands, kk.addresses])
def test_a_vm_that_is_not_there_is_told(host: kk.Host, look: object) -> None:
    assert callable(look)
    with pytest.raises(kk.NotFound, match="no VM 'web9' on test:///default; it has: demo"):
        look(host, "web9")


def test_on_this_machine_virt_viewer_is_enough(host: kk.Host) -> None:
    assert kk.viewer_commands(host, "demo") == ["virt-viewer --connect test:///default demo"]


def test_without_a_screen_the_console_is_named(host: kk.Host) -> None:
    define(host, "x")
    with pytest.raises(
        kk.WrongState, match=r"VM x .* has no screen; its console: kk\.console_log\(host, 'x'\)"
    ):
        kk.viewer_commands(host, "x")


@pytest.fixture
def distant(host: kk.Host, monkeypatch: pytest.MonkeyPatch) -> kk.Host:
    """Give a host over SSH, with libvirt's test driver in place of what answers there."""
    monkeypatch.setattr(host, "_runner", Ssh("qemu+ssh://root@kvm1:2222/system", "root@kvm1", 2222))
    monkeypatch.setattr(host, "uri", "qemu+ssh://root@kvm1:2222/system")
    return host


@pytest.mark.parametrize(
    ("listen", "there"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("192.0.2.7", "192.0.2.7")],  # noqa: S104
)
@pytest.mark.parametrize("kind", ["vnc", "spice"])
def test_a_screen_on_another_machine_is_reached_by_virt_viewer_or_a_tunnel(
    distant: kk.Host, kind: str, listen: str, there: str
) -> None:
    define(distant, "x", SCREEN.format(kind, 5901, listen))

    assert [shlex.split(command) for command in kk.viewer_commands(distant, "x")] == [
        ["virt-viewer", "--connect", "qemu+ssh://root@kvm1:2222/system", "x"],
        ["ssh", "-N", "-L", f"127.0.0.1:5901:{there}:5901", "-p", "2222", "root@kvm1"],
        ["remote-viewer", f"{kind}://127.0.0.1:5901"],
    ]


def test_a_port_that_is_not_known_before_the_start_needs_virt_viewer(distant: kk.Host) -> None:
    define(distant, "x", "<graphics type='vnc' port='-1' autoport='yes'/>")

    assert len(kk.viewer_commands(distant, "x")) == 1
