"""The form of a spec, without a kernel: what is typed is a widget's value."""

import json
import threading
from html import unescape
from pathlib import Path
from typing import Any, cast

import ipywidgets as widgets
import pytest
from plumbum import local
from pydantic import SecretStr, ValidationError

import kvmkit as kk
from kvmkit.forms import spec_form as module
from kvmkit.forms.fields import help_texts
from kvmkit.forms.secret import Secret
from kvmkit.spec import Spec
from kvmkit.vm import describe
from tests.lab.waiting import wait_until

PRACTICE = "test:///default"
SPECS = (kk.VMSpec, kk.InstallSpec, kk.BridgeSpec, kk.RepositorySpec, kk.SELinuxSpec, kk.QemuConfSpec)


def test_there_is_a_field_of_the_right_kind_for_each_field_of_the_spec() -> None:
    fields = kk.form(kk.VMSpec, name="web1").fields

    assert list(fields) == list(kk.VMSpec.model_fields)
    assert isinstance(fields["name"], widgets.Text)
    assert isinstance(fields["memory_mib"], widgets.IntText)
    assert isinstance(fields["autostart"], widgets.Checkbox)
    assert isinstance(fields["graphics"], widgets.Dropdown)
    assert fields["graphics"].options == ("vnc", "spice", "none")
    assert fields["memory_mib"].description == "Memory (MiB)"


@pytest.mark.parametrize("spec", list(SPECS))
def test_every_field_has_help(spec: type[Spec]) -> None:
    assert set(help_texts(spec)) == set(spec.model_fields)
    assert all(help_texts(spec).values())


def test_what_is_filled_in_is_a_frozen_spec() -> None:
    form = kk.form(kk.VMSpec, name="web1", memory_mib=512)
    form.fields["vcpus"].value = 2

    assert form.spec == kk.VMSpec(name="web1", memory_mib=512, vcpus=2)
    with pytest.raises(ValidationError, match="frozen"):
        form.spec.vcpus = 3  # type: ignore[misc]  # mypy knows it


def test_a_wrong_value_is_told_beside_its_field_as_it_is_typed() -> None:
    form = kk.form(kk.VMSpec, name="web1")
    form.fields["name"].value = "web <1>"

    note = form.children[0].children[1].value
    assert "a name is 1 to 64 of letters" in note
    assert "web &lt;1&gt;" in note
    with pytest.raises(kk.InvalidSpec, match=r"^name: 'web <1>'"):
        _ = form.spec

    form.fields["name"].value = "web1"
    assert form.errors == {}
    assert "good as a file and host name" in form.children[0].children[1].value


def test_a_field_that_is_still_blank_says_what_goes_there() -> None:
    form = kk.form(kk.RepositorySpec, name="local")

    assert "Where it is: http://" in form.children[1].children[1].value
    assert form._html().count("Where it is: http://") == 1
    with pytest.raises(kk.InvalidSpec, match="baseurl: ''"):
        _ = form.spec


def test_what_is_wrong_with_no_single_field_is_told_too() -> None:
    form = kk.form(kk.VMSpec, name="web1")
    form.fields["initrd"].value = "/boot/initrd"

    assert "go with a kernel" in form._call.value
    assert "go with a kernel" in form._html()


def test_choices_come_from_the_host_and_still_allow_typing() -> None:
    form = kk.form(kk.VMSpec, host=kk.connect(PRACTICE), name="web1")

    assert form.fields["cdrom"].options == ("debian-12-netinst.iso", "rescue.iso")
    assert form.fields["image"].options == ("debian-12.qcow2", "demo.qcow2")
    assert form.fields["pool"].options == ("default",)
    assert form.fields["network"].options == ("default",)
    assert form.fields["os"].options[0] == "detect"
    assert "rocky9" in form.fields["os"].options
    form.fields["cdrom"].value = "/srv/other.iso"
    assert form.spec.cdrom == "/srv/other.iso"


def test_what_the_host_has_and_cannot_be_chosen_is_listed_with_the_reason() -> None:
    form = kk.form(kk.BridgeSpec, host=kk.connect(PRACTICE), nic="eth0")
    note = form.children[0].children[1]

    assert form.fields["nic"].options == ("eth0",)
    assert "cannot be chosen: 1</summary>" in note.value
    assert "lo: a link of kind loopback" in note.value
    form.fields["nic"].value = "lo"
    assert "&#39;lo&#39;: a link of kind loopback" in note.value
    assert set(form.errors) == {"nic"}
    form.fields["nic"].value = "eth9"  # of which nothing is known
    assert form.errors == {}


@pytest.mark.parametrize(
    ("program", "names"),
    [
        ("printf 'debian11, debianbullseye\\nwin11\\n'", ("debian11", "debianbullseye", "win11")),
        ("echo 'unknown option --osinfo list'; exit 2", ()),
        ("", ()),
    ],
    ids=["known", "too old", "not there"],
)
def test_systems_are_those_that_virt_install_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, names: tuple[str, ...]
) -> None:
    if program:
        (tmp_path / "virt-install").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "virt-install").chmod(0o755)
    monkeypatch.setitem(cast("dict[str, str]", local.env), "PATH", str(tmp_path))
    monkeypatch.setattr(describe, "_osinfo_list", describe._osinfo_list.__wrapped__)

    assert describe.known_systems(kk.connect("qemu:///system")) == names


def test_the_python_call_is_there_to_be_copied() -> None:
    form = kk.form(kk.VMSpec, name="web1")
    form.fields["kernel"].value = "/boot/</textarea><b>"

    assert ">Python</summary><textarea readonly" in form._call.value
    assert "</textarea><b>" not in form._call.value
    assert repr(form) in unescape(form._call.value)
    assert eval(repr(form), {"kk": kk}) == form.spec  # noqa: S307 - that it can be is what is shown


def previewed(form: kk.SpecForm[Any]) -> str:
    form._button.click()
    wait_until(lambda: not form._busy.locked(), "the preview")
    return unescape(form._preview.value)


def test_a_preview_shows_command_and_xml_until_the_form_is_edited() -> None:
    form = kk.form(kk.VMSpec, host=kk.connect(PRACTICE), name="web1")
    assert "nothing is changed" in form._preview.value
    shown = previewed(form)

    assert "not done yet: create VM web1" in shown
    assert "virt-install --connect test:///default --name web1 --memory 1024" in shown
    assert "<domain type=" in shown
    assert "web1" not in kk.vms(kk.connect(PRACTICE)).index
    form.fields["vcpus"].value = 2
    assert "virt-install" not in form._preview.value
    assert "--vcpus 2" in previewed(form)


def test_what_the_host_objects_to_is_told_beside_the_field() -> None:
    form = kk.form(kk.VMSpec, host=kk.connect(PRACTICE), name="demo")
    assert form.errors == {}

    assert "InvalidSpec: name: 'demo': a VM of that name is there already" in previewed(form)
    assert "a VM of that name is there already" in form.children[0].children[1].value
    form.fields["name"].value = "web1"
    assert form.errors == {}


def test_a_system_is_previewed_with_the_vm_that_it_gets_into() -> None:
    host = kk.connect(PRACTICE)
    vm = kk.form(kk.VMSpec, host=host, name="web1", memory_mib=2048)
    tree = {"location": "http://tree.example/rocky9", "root_password": "hunter2"}
    system = kk.form(kk.InstallSpec, host=host, vm=vm, **tree)
    shown = previewed(system)

    assert "not done yet: install VM web1" in shown
    assert "virt-install --connect test:///default --name web1" in shown
    assert "--location http://tree.example/rocky9" in shown
    assert "The answers: ks.cfg" in shown
    assert "hunter2" not in shown

    # An edit of either makes it another one's; an objection stands where the field is.
    vm.fields["name"].value = "demo"
    assert "virt-install" not in system._preview.value
    assert "name: 'demo': a VM of that name is there already" in previewed(system)
    assert set(vm.errors) == {"name"}
    vm.fields["name"].value = "web1"
    vm.fields["cdrom"].value = "rescue.iso"
    assert "either an install tree or the VM's CD-ROM" in previewed(system)
    assert (set(vm.errors), set(system.errors)) == (set(), {"location"})
    assert (vm.taken, system.taken) == (None, None)


def test_a_preview_of_what_was_edited_meanwhile_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slowly(host: kk.Host, spec: kk.VMSpec) -> kk.Plan:
        assert go_on.wait(60)
        return kk.plan_vm(host, spec)

    monkeypatch.setattr(module, "PLANS", {kk.VMSpec: slowly})
    form = kk.form(kk.VMSpec, host=kk.connect(PRACTICE), name="web1")
    form._button.click()
    assert "is being asked" in form._preview.value
    form.fields["name"].value = "web2"
    go_on.set()
    wait_until(lambda: not form._busy.locked(), "the preview")

    assert "virt-install" not in form._preview.value


def test_without_a_host_nothing_can_be_previewed() -> None:
    form = kk.form(kk.VMSpec, name="web1")

    assert form._button not in form.children


def test_a_secret_is_in_the_spec_and_in_nothing_that_is_shown() -> None:
    known: dict[str, Any] = {"password": "hunter2", "post": "TOKEN=hunter4"}
    form = kk.form(kk.InstallSpec, location="http://192.168.0.200/rhel9", **known)
    assert isinstance(form.fields["password"], Secret)
    assert isinstance(form.fields["ssh_keys"], widgets.Textarea)
    assert isinstance(form.fields["post"], Secret)
    form.fields["root_password"].value = "hunter3"

    assert form.spec.password == SecretStr("hunter2")
    assert form.values == dict(form.spec)
    shown = [repr(form), form._html(), form._call.value, *(note.value for note in form._notes.values())]
    assert "hunter" not in "".join(shown)
    # What papermill and JupyterLab write into a notebook.
    assert "hunter" not in json.dumps(widgets.Widget.get_manager_state())


def test_what_is_typed_as_a_secret_comes_by_a_message_and_what_is_set_goes_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[Any] = []
    field = Secret(value="hunter2")
    monkeypatch.setattr(field, "send", lambda content, buffers=None: sent.append(content))
    field._handle_custom_msg({"value": "hunter3"}, [])
    assert (field.value, sent) == ("hunter3", [])  # the page has it already
    field._handle_custom_msg({"asks": True}, [])
    field.value = "hunter4"
    assert sent == [{"value": "hunter3"}, {"value": "hunter4"}]


def test_an_error_in_a_callback_is_seen_until_the_next_one_works(monkeypatch: pytest.MonkeyPatch) -> None:
    form = kk.form(kk.VMSpec, name="web1")
    with monkeypatch.context() as patched:
        patched.setattr(form, "judge", lambda _: dict[str, str]()["nothing"])
        form.fields["name"].value = "web2"
    assert form.children[-1].value.count("KeyError: &#39;nothing&#39;") == 1

    form.fields["name"].value = "web3"
    assert form._fault not in form.children


@pytest.mark.parametrize("hand", [".observe(", ".on_click(", ".on_msg("])
def test_every_callback_is_one_whose_error_is_seen(hand: str) -> None:
    code = (path.read_text(encoding="utf-8") for path in Path(module.__file__).parent.glob("*.py"))
    handed = [line for text in code for line in text.splitlines() if hand in line]

    assert handed
    assert [line for line in handed if "(self._seen(" not in line and "(seen(" not in line] == []


def test_a_parameter_that_no_field_can_show_is_named() -> None:
    with pytest.raises(kk.InvalidSpec, match="memory_mib: 'lots'"):
        kk.form(kk.VMSpec, name="web1", memory_mib="lots")
    with pytest.raises(kk.InvalidSpec, match="graphics: 'paper'"):
        kk.form(kk.VMSpec, name="web1", graphics="paper")
    with pytest.raises(kk.InvalidSpec, match="ram: no such field; there are: name, memory_mib"):
        kk.form(kk.VMSpec, ram=1)
    assert kk.form(kk.VMSpec, name="web1", memory_mib="512").fields["memory_mib"].value == 512


def test_a_wrong_parameter_that_can_be_shown_is_the_persons_to_mend() -> None:
    form = kk.form(kk.VMSpec, name="", memory_mib=1)

    assert set(form.errors) == {"name", "memory_mib"}


def test_it_shows_itself_the_same_each_time() -> None:
    shown = [kk.form(kk.VMSpec, name="web1", vcpus=2)._repr_mimebundle_() for _ in range(2)]

    assert shown[0]["text/plain"] == "kk.VMSpec(name='web1', vcpus=2)"
    assert shown[0]["text/html"] == shown[1]["text/html"]
    assert ">Memory (MiB)</td>" in shown[0]["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown[0]
