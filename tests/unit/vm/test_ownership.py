"""What belongs to a VM, and who else needs a disk, however deep the chain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmkit.vm.ownership import disk_paths, made_by, mark, owned_disks, users_of
from kvmkit.vm.xml import parse

PLAIN = "<domain><name>web1</name><devices/></domain>"
OS = '<x:os xmlns:x="http://libosinfo.org/xmlns/libvirt/domain/1.0" id="debian"/>'
WITH_METADATA = f"<domain><name>web1</name><metadata>{OS}</metadata></domain>"


def using(*paths: str, attribute: str = "file") -> str:
    disks = "".join(f"<disk><source {attribute}='{path}'/></disk>" for path in paths)
    return f"<domain><devices>{disks}</devices></domain>"


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


def test_disks_are_files_and_devices() -> None:
    assert list(disk_paths(DISKS)) == ["/own", "/dev/vg/own", "/cd.iso", "/floppy", "/readonly", "/shared"]


def test_only_what_is_a_vms_own_to_write_counts_as_written() -> None:
    assert list(disk_paths(DISKS, written=True)) == ["/own", "/dev/vg/own"]


@pytest.mark.parametrize(
    ("definitions", "backing", "users"),
    [
        ({}, {}, []),
        ({"b": using("/other")}, {}, []),
        ({"b": using("/disk")}, {}, ["VM b"]),
        ({"b": using("/disk", attribute="dev")}, {}, ["VM b"]),
        ({"c": using("/disk"), "b": using("/x", "/disk")}, {}, ["VM b", "VM c"]),
        ({}, {"/top": "/disk"}, ["volume /top"]),
        ({"b": using("/top")}, {"/top": "/disk"}, ["VM b", "volume /top"]),
        (
            {"b": using("/3")},
            {"/3": "/2", "/2": "/1", "/1": "/disk"},
            ["VM b", *(f"volume /{n}" for n in "123")],
        ),
        ({"b": using("/3")}, {"/3": "/2", "/2": "/1"}, []),
        ({"b": using("/base")}, {"/disk": "/base"}, []),
        ({"b": using("/x")}, {"/x": "/y", "/y": "/x"}, []),
        ({"b": using("/x")}, {"/x": "/disk", "/disk": "/x"}, ["VM b", "volume /disk", "volume /x"]),
    ],
    ids=[
        *("nobody", "another-disk", "vm", "device", "two-vms", "unused-overlay", "overlay", "long-chain"),
        *("chain-elsewhere", "below-it", "loop-elsewhere", "loop-through-it"),
    ],
)
def test_users_are_found_directly_and_through_backing_chains(
    definitions: dict[str, str], backing: dict[str, str], users: list[str]
) -> None:
    assert users_of("/disk", definitions, backing) == users


def test_a_running_vm_tells_the_chain_of_images_that_are_in_no_pool() -> None:
    chain = "<backingStore><source file='/disk'/></backingStore>"
    xml = f"<domain><devices><disk><source file='/top'/>{chain}</disk></devices></domain>"

    assert users_of("/disk", {"b": xml}, {}) == ["VM b"]


NAMES = st.sampled_from([f"/{n}" for n in range(6)])


@given(st.dictionaries(NAMES, NAMES))
def test_any_chains_end_and_name_each_volume_above_once(backing: dict[str, str]) -> None:
    users = users_of("/0", {}, backing)

    assert len(users) == len(set(users))
    assert {f"volume {top}" for top, below in backing.items() if below == "/0"} <= set(users)
