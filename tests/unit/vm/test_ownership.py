"""What belongs to a VM, by its own definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmkit.vm.ownership import made_by, mark, owned_disks
from kvmkit.vm.references import disk_files
from kvmkit.vm.xml import parse

PLAIN = "<domain><name>web1</name><devices/></domain>"
OS = '<x:os xmlns:x="http://libosinfo.org/xmlns/libvirt/domain/1.0" id="debian"/>'
WITH_METADATA = f"<domain><name>web1</name><metadata>{OS}</metadata></domain>"


@pytest.mark.parametrize("xml", [PLAIN, WITH_METADATA], ids=["without", "with"])
def test_a_mark_says_who_made_it_and_which_disks(xml: str) -> None:
    marked = mark(xml, "token", ["/a", "/b c"])

    assert made_by(marked) == "token"
    assert owned_disks(marked) == {"/a", "/b c"}


def test_a_mark_leaves_other_metadata_and_the_order_that_libvirt_wants() -> None:
    root = parse(mark(WITH_METADATA, "token", []))

    assert [child.tag for child in parse(mark(PLAIN, "token", []))] == ["name", "metadata", "devices"]
    assert [child.tag.split("}")[1] for child in root.find("metadata")] == ["os", "vm"]


def test_what_kvmkit_did_not_make_bears_no_mark() -> None:
    assert made_by(WITH_METADATA) == ""
    assert owned_disks(WITH_METADATA) == set()


@given(st.text(alphabet=st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn"]), min_size=1))
def test_any_path_that_xml_can_hold_is_marked_exactly(path: str) -> None:
    assert owned_disks(mark(PLAIN, "token", [path])) == {path}


DISKS = """<domain><devices>
  <disk type='file' device='disk'><source file='/own'/></disk>
  <disk type='block' device='disk'><source dev='/dev/vg/own'/></disk>
  <disk type='file' device='cdrom'><source file='/cd.iso'/><readonly/></disk>
  <disk type='file' device='cdrom'/>
  <disk type='file' device='floppy'><source file='/floppy'/></disk>
  <disk type='file' device='disk'><source file='/readonly'/><readonly/></disk>
  <disk type='file' device='disk'><source file='/shared'/><shareable/></disk>
  <disk type='network' device='disk'><source protocol='rbd' name='pool/image'/></disk>
</devices></domain>"""


def nowhere(_pool: str, _volume: str) -> str:
    return ""


def test_disks_are_files_and_devices() -> None:
    assert disk_files(DISKS, nowhere) == ["/own", "/dev/vg/own", "/cd.iso", "/floppy", "/readonly", "/shared"]


def test_only_what_is_a_vms_own_to_write_counts_as_written() -> None:
    assert disk_files(DISKS, nowhere, written=True) == ["/own", "/dev/vg/own"]


def test_a_disk_that_is_named_by_its_pool_is_a_file_as_well() -> None:
    xml = "<domain><devices><disk type='volume'><source pool='p' volume='v'/></disk></devices></domain>"

    assert disk_files(xml, lambda pool, volume: f"/{pool}/{volume}") == ["/p/v"]
    assert disk_files(xml, nowhere) == []
