"""Lifecycle verbs in libvirt's sense: what each does, and that it refuses where the VM's state forbids it."""

from collections.abc import Callable

import libvirt
import pytest

import kvmkit as kk
from tests.practice.machines import define, state

Verb = Callable[[kk.Host, str], None]
VERBS: list[Verb] = [kk.start, kk.shutdown, kk.destroy, kk.reboot, kk.suspend, kk.resume]


def state_of(host: kk.Host, name: str = "demo") -> str:
    return str(kk.vms(host).loc[name, "state"])


def bring(host: kk.Host, to: str) -> None:
    """Bring the demo VM, which runs, into a state."""
    for verb in {"running": [], "suspended": [kk.suspend], "shut off": [kk.destroy]}[to]:
        verb(host, "demo")


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        (kk.start, "shut off", "running"),
        (kk.shutdown, "running", "shut off"),
        (kk.destroy, "running", "shut off"),
        (kk.destroy, "suspended", "shut off"),
        (kk.reboot, "running", "running"),
        (kk.suspend, "running", "suspended"),
        (kk.resume, "suspended", "running"),
    ],
)
def test_a_verb_changes_the_state(host: kk.Host, verb: Verb, before: str, after: str) -> None:
    bring(host, before)
    verb(host, "demo")

    assert state_of(host) == after


@pytest.mark.parametrize(
    ("verb", "there", "expected"),
    [
        (kk.start, "running", "it is running, not shut off or crashed"),
        (kk.start, "suspended", "it is suspended, not shut off or crashed"),
        (kk.shutdown, "shut off", "it is shut off, not running or shutting down"),
        (kk.shutdown, "suspended", "it is suspended, not running or shutting down"),
        (kk.destroy, "shut off", "it is shut off, not running or suspended or asleep or shutting down"),
        (kk.reboot, "shut off", "it is shut off, not running"),
        (kk.reboot, "suspended", "it is suspended, not running"),
        (kk.suspend, "suspended", "it is suspended, not running"),
        (kk.suspend, "shut off", "it is shut off, not running"),
        (kk.resume, "running", "it is running, not suspended"),
        (kk.resume, "shut off", "it is shut off, not suspended"),
    ],
)
def test_a_verb_in_the_wrong_state_says_which_and_changes_nothing(
    host: kk.Host, verb: Verb, there: str, expected: str
) -> None:
    bring(host, there)
    before, asked = state(host), len(kk.history(host))
    with pytest.raises(kk.WrongState) as caught:
        verb(host, "demo")

    assert str(caught.value) == f"cannot {verb.__name__} VM demo on test:///default: {expected}"
    assert state(host) == before
    assert len(kk.history(host)) == asked


@pytest.mark.parametrize("verb", [*VERBS, lambda host, name: kk.autostart(host, name, on=True)])
@pytest.mark.parametrize("name", ["web9", "", "a b", "<&>", "x" * 10_000, "ünï", "a\nb", "a\0b", "\ud800"])
def test_a_vm_that_is_not_there_is_told_with_those_that_are(host: kk.Host, verb: Verb, name: str) -> None:
    with pytest.raises(kk.NotFound, match=r"on test:///default; it has: demo$") as caught:
        verb(host, name)

    assert repr(name[:80]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_guest_that_does_not_react_is_not_forced(host: kk.Host, monkeypatch: pytest.MonkeyPatch) -> None:
    # The test driver's guests always react; this one is asked, and does not.
    monkeypatch.setattr(libvirt.virDomain, "shutdown", lambda _domain: 0)
    with pytest.raises(
        kk.ShutdownTimeout, match=r"VM demo .* still runs 0\.3 s after .*kk\.destroy\(host, 'demo'\)"
    ):
        kk.shutdown(host, "demo", timeout=0.3)

    assert state_of(host) == "running"


@pytest.mark.parametrize("on", [True, False])
def test_autostart_is_set_and_kept(host: kk.Host, on: bool) -> None:
    kk.autostart(host, "demo", on=not on)
    kk.autostart(host, "demo", on=on)

    assert kk.vms(host).loc["demo", "autostart"] == on


def test_each_verb_is_in_the_history(host: kk.Host) -> None:
    kk.suspend(host, "demo")
    kk.resume(host, "demo")
    kk.autostart(host, "demo", on=True)

    assert kk.history(host)["what"].tolist() == ["suspend VM demo", "resume VM demo", "autostart on VM demo"]


def test_what_libvirt_refuses_is_in_its_words(host: kk.Host, monkeypatch: pytest.MonkeyPatch) -> None:
    define(host, "x")

    def refuse(_domain: libvirt.virDomain) -> None:
        raise libvirt.libvirtError("virDomainCreate() failed")

    monkeypatch.setattr(libvirt.virDomain, "create", refuse)
    with pytest.raises(kk.LibvirtFailed, match="cannot start VM x on test:///default: "):
        kk.start(host, "x")
