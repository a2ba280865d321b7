"""The verbs as buttons, and the menu, on the practice host without a kernel."""

import importlib

import pandas as pd
import pytest

import kvmkit as kk
from kvmkit.journal import Entry

HOST = kk.connect("test:///default")
MENU = importlib.import_module("kvmkit.forms.menu")  # whose name in the package is the function's


def test_each_click_is_a_verb() -> None:
    form = kk.vm_form(HOST, "demo")
    for verb, state in (("suspend", "suspended"), ("resume", "running"), ("shutdown", "shut off")):
        form.buttons[verb].click()
        form.wait()
        assert kk.vms(HOST).loc["demo", "state"] == state
        assert repr(form) == f"VM demo on test:///default: {state}"
        assert f"kk.{verb}(host, &#39;demo&#39;)</code> done" in form._said.value


def test_cutting_the_power_asks_first() -> None:
    form = kk.vm_form(HOST, "demo")
    assert form.buttons["really"].layout.display == "none"
    form.buttons["destroy"].click()
    form.wait()
    assert kk.vms(HOST).loc["demo", "state"] == "running"
    assert form.buttons["really"].layout.display == ""

    form.buttons["really"].click()
    form.wait()
    assert kk.vms(HOST).loc["demo", "state"] == "shut off"
    assert form.buttons["really"].layout.display == "none"


def test_what_cannot_be_done_is_seen_and_raised() -> None:
    form = kk.vm_form(HOST, "demo")
    form.buttons["start"].click()

    with pytest.raises(kk.WrongState, match="it is running"):
        form.wait()
    assert "WrongState: cannot start VM demo" in form._said.value


def test_a_vm_that_is_not_there_is_said_to_be() -> None:
    with pytest.raises(kk.NotFound, match=r"no VM 'web9' on test:///default; it has: demo"):
        kk.vm_form(HOST, "web9")
    form = kk.vm_form(HOST, "demo")
    kk.apply(kk.plan_undefine(HOST, "demo"))
    assert repr(form) == "VM demo on test:///default: is not there"


def test_another_vm_is_chosen_among_those_of_the_host() -> None:
    kk.apply(kk.plan_vm(HOST, kk.VMSpec(name="web1")))
    form = kk.vm_form(HOST)
    assert form.chosen.options == (("demo", "demo"), ("web1", "web1"))
    assert form.name == "demo"
    form.buttons["destroy"].click()
    form.chosen.value = "web1"
    assert form.buttons["really"].layout.display == "none"  # that was asked of the other one

    form.buttons["suspend"].click()
    form.wait()
    assert dict(kk.vms(HOST)["state"]) == {"demo": "running", "web1": "suspended"}
    assert "VM web1 on test:///default: suspended" in form._head.value


def test_a_host_without_vms_says_what_makes_one() -> None:
    kk.apply(kk.plan_undefine(HOST, "demo"))

    with pytest.raises(kk.NotFound, match=r"no VM is on test:///default: kk\.plan_vm makes one"):
        kk.vm_form(HOST)


def test_the_menu_is_the_articles_with_links_and_the_hosts_state() -> None:
    menu = kk.menu(HOST)

    assert [entry.number for entry in menu.entries] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert "<a href='40-create-vm.ipynb'>40-create-vm</a> - storage pools: default has" in menu._repr_html_()
    assert "[7] stop a VM" in repr(menu)
    kk.shutdown(HOST, "demo")
    assert kk.menu(HOST).entries[5].state == "1 shut off"
    assert kk.menu(HOST).entries[4].state == "1 VM, 0 running"
    assert menu.entries[1].state == "packages missing: 0; libvirt: running; rehearsed here"


def test_the_menu_names_the_plan_that_was_begun_and_not_finished() -> None:
    plan = kk.plan_vm(HOST, kk.VMSpec(name="web1"))
    Entry.begin(plan)
    menu = kk.menu(HOST)

    told = (
        f"not finished: create VM web1; kk.pending(host) shows it, kk.undo(host, '{plan.id}') takes it back"
    )
    assert told in repr(menu).splitlines()
    lines = "<code>test:///default answers</code></p><p><code>not finished: create VM web1;"
    assert menu._repr_html_().count(lines) == 1


def test_the_menu_of_a_host_without_libvirt_leads_to_preparing_it() -> None:
    # A libvirt that no machine has, on whatever machine this is.
    menu = kk.menu(kk.connect("qemu+unix:///system?socket=/nowhere/libvirt-sock"))
    source, tools = menu.entries[:2]

    assert "/nowhere/libvirt-sock" in menu.head
    assert source.runbook == tools.runbook == "20-prepare-host"
    assert tools.state.startswith("packages missing: ")
    assert tools.state.endswith("; libvirt: not running")
    assert [entry.state for entry in menu.entries[3:8]] == ["libvirt: not running"] * 5


def test_the_menu_of_a_host_that_does_not_answer_says_so() -> None:
    menu = kk.menu(kk.connect("qemu+ssh://nobody@127.0.0.1:1/system"))

    assert "127.0.0.1" in menu.head
    assert len(menu.entries) == 10
    assert not any(entry.state for entry in menu.entries[:8])


def test_the_menu_says_which_bridges_are_up(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame(
        {"up": [True, False, True], "private": [False, False, True]}, index=["br0", "br1", "virbr0"]
    )
    monkeypatch.setattr(MENU, "bridges", lambda host: frame)
    assert kk.menu(HOST).entries[2].state == "br0: up, br1: down"

    def too_old(host: kk.Host) -> pd.DataFrame:
        raise kk.Unsupported("its ip cannot write JSON")

    monkeypatch.setattr(MENU, "bridges", too_old)
    assert kk.menu(HOST).entries[2].state == "virbr0"
