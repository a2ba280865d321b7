"""The form of a spec, without a kernel: what is typed is a widget's value."""

import ipywidgets as widgets
import pytest
from pydantic import ValidationError

import kvmkit as kk
from kvmkit.forms.fields import help_texts
from kvmkit.spec import Spec

PRACTICE = "test:///default"


def test_there_is_a_field_of_the_right_kind_for_each_field_of_the_spec() -> None:
    fields = kk.form(kk.VMSpec, name="web1").fields

    assert list(fields) == list(kk.VMSpec.model_fields)
    assert isinstance(fields["name"], widgets.Text)
    assert isinstance(fields["memory_mib"], widgets.IntText)
    assert isinstance(fields["autostart"], widgets.Checkbox)
    assert isinstance(fields["graphics"], widgets.Dropdown)
    assert fields["graphics"].options == ("vnc", "spice", "none")
    assert fields["memory_mib"].description == "Memory (MiB)"


@pytest.mark.parametrize("spec", [kk.VMSpec, kk.RepositorySpec, kk.SELinuxSpec, kk.QemuConfSpec])
def test_every_field_has_help(spec: type[Spec]) -> None:
    assert set(help_texts(spec)) == set(spec.model_fields)
    assert all(help_texts(spec).values())


def test_what_is_filled_in_is_a_frozen_spec() -> None:
    form = kk.form(kk.VMSpec, name="web1", memory_mib=512)
    form.fields["vcpus"].value = 2

    assert form.spec == kk.VMSpec(name="web1", memory_mib=512, vcpus=2)
    with pytest.raises(ValidationError, match="frozen"):
        form.spec.vcpus = 3  # type: ignore[misc]


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

    assert "go with a kernel" in form.children[-1].value
    assert "go with a kernel" in form._html()


def test_choices_come_from_the_host_and_still_allow_typing() -> None:
    form = kk.form(kk.VMSpec, host=kk.connect(PRACTICE), name="web1")

    assert form.fields["cdrom"].options == ("debian-12-netinst.iso", "rescue.iso")
    assert form.fields["image"].options == ("debian-12.qcow2", "demo.qcow2")
    assert form.fields["pool"].options == ("default",)
    assert form.fields["network"].options == ("default",)
    form.fields["cdrom"].value = "/srv/other.iso"
    assert form.spec.cdrom == "/srv/other.iso"


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
    assert "<td style='text-align:left'>Memory (MiB)</td>" in shown[0]["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown[0]
