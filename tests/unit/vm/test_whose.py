"""Who needs a file, by recorded facts: by what the files are, and however deep the chain."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmkit.vm.files import File, Files
from kvmkit.vm.references import Reference, references
from kvmkit.vm.uses import mark_away
from kvmkit.vm.whose import Uses, users_of

GONE = File(trouble="gone")


def image(identity: str, *below: str, kind: str = "any", trouble: str = "") -> File:
    return File(identity, "qcow", tuple((kind, path) for path in below), trouble)


def vm(name: str, *paths: str, kind: str = "qcow2") -> list[Reference]:
    return [Reference(f"VM {name}", path, kind) for path in paths]


def using(*paths: str) -> str:
    disks = "".join(f"<disk><driver type='qcow2'/><source file='{path}'/></disk>" for path in paths)
    return f"<domain><devices>{disks}</devices></domain>"


def nowhere(_pool: str, _volume: str) -> str:
    return ""


def files(found: Mapping[str, File], *listed: str) -> Files:
    return Files({"/disk": image("1")} | dict(found), listed)


@pytest.mark.parametrize(
    ("named", "known", "users"),
    [
        ([], files({}), []),
        (vm("b", "/other"), files({"/other": image("2")}), []),
        (vm("b", "/disk"), files({}), ["VM b"]),
        (vm("b", "/a/../disk"), files({"/a/../disk": image("1")}), ["VM b"]),
        (vm("b", "/link"), files({"/link": image("1")}, "/disk", "/link"), ["VM b"]),
        (vm("c", "/disk") + vm("b", "/x", "/disk"), files({"/x": image("2")}), ["VM b", "VM c"]),
        ([], files({"/top": image("2", "/./disk"), "/./disk": image("1")}, "/top"), ["volume /top"]),
        (vm("b", "/top"), files({"/top": image("2", "/disk")}, "/top"), ["VM b", "volume /top"]),
        (vm("b", "/top"), files({"/top": image("2", "/disk")}), ["VM b"]),
        (vm("b", "/3"), files({"/3": image("4", "/2"), "/2": image("3", "/disk")}), ["VM b"]),
        (vm("b", "/base"), files({"/disk": image("1", "/base"), "/base": image("2")}, "/disk"), []),
        (vm("b", "/x"), files({"/x": image("2", "/y"), "/y": image("3", "/x")}), []),
        (vm("b", "/x"), files({"/x": image("2", "/disk"), "/disk": image("1", "/x")}), ["VM b"]),
        (vm("b", "/gone"), files({"/gone": GONE}), []),
        (vm("b", "/top"), files({"/top": image("2", "/disk", kind="raw")}), ["VM b"]),
    ],
    ids=[
        *(
            "nobody",
            "another",
            "itself",
            "other words",
            "by a link",
            "two VMs",
            "an overlay",
            "a VM's overlay",
        ),
        *("an overlay in no pool", "a long chain", "below it", "a loop elsewhere", "a loop through it"),
        *("a disk that is gone", "on it as raw"),
    ],
)
def test_a_file_is_used_by_who_names_it_or_what_lies_on_it(
    named: list[Reference], known: Files, users: list[str]
) -> None:
    assert users_of("/disk", named, known) == users


@pytest.mark.parametrize(
    ("known", "user"),
    [
        (image("2", trouble="remote"), "VM b perhaps (/x: it lies on what is reached over a network"),
        (image("2", trouble="descriptor"), "VM b perhaps (/x: it lies on a file descriptor"),
        (File(trouble="denied"), "VM b perhaps (/x: a folder above it may not be entered)"),
        (File(trouble="no-answer"), "VM b perhaps (/x: its storage does not answer)"),
        (image("2", "/y"), "VM b perhaps (/y was not looked at)"),
        (File("2", "none"), "VM b perhaps (/x: it is not in qcow2 format)"),
    ],
)
def test_what_cannot_be_told_counts_as_a_use_and_is_named(known: File, user: str) -> None:
    [told] = users_of("/disk", vm("b", "/x"), files({"/x": known}))

    assert told.startswith(user)


def test_what_cannot_be_told_of_a_disk_further_down_is_named_as_well() -> None:
    known = files({"/x": image("2", "/y"), "/y": image("3", trouble="unreadable")}, "/x")
    why = "perhaps (/y: it may not be read)"

    assert users_of("/disk", vm("b", "/x"), known) == [f"VM b {why}", f"volume /x {why}"]


def test_what_a_guest_wrote_on_its_raw_disk_is_no_header() -> None:
    known = files({"/raw": image("2", "/disk"), "/odd": image("3", trouble="remote")}, "/raw", "/odd")

    named = [Reference("VM b", path, "raw", writes=True) for path in ("/raw", "/odd")]

    assert users_of("/disk", named, known) == []
    # Who only reads it, or names it for something else, has written no header.
    for kind in ("raw", "file"):
        assert users_of("/disk", vm("b", "/raw", "/odd", kind=kind), known)[0] == "volume /raw"
    assert users_of("/disk", [], known)[0] == "volume /raw"


def test_a_disk_in_a_pool_that_is_not_active_is_away_and_not_gone() -> None:
    known = mark_away(files({"/nfs/top": GONE, "/nfs2/top": GONE}), ["/nfs/"])

    assert users_of("/disk", vm("b", "/nfs/top", "/nfs2/top"), known) == [
        "VM b perhaps (/nfs/top: its storage pool is not active)"
    ]


def test_a_folder_that_cannot_be_read_may_hold_an_image_that_lies_on_it() -> None:
    known = Files({"/disk": image("1")}, closed={"/pool": "denied"})

    assert users_of("/disk", [], known) == ["what is in /pool perhaps (a folder above it may not be entered)"]


def test_a_file_that_nobody_looked_at_is_everybodys() -> None:
    silent = files({"/x": File(trouble="no-answer")})
    told = ["somebody perhaps (/x: its storage does not answer)"]

    assert users_of("/x", vm("b", "/disk"), silent) == told
    assert users_of("/disk", [], Files({})) == [
        "somebody perhaps (/disk: looking at all files took too long)"
    ]


def test_a_device_is_used_by_who_uses_what_is_made_of_it() -> None:
    disk, part = File("device:8:0", "none"), File("device:8:1", "none", (("device", "device:8:0"),))
    known = Files({"/dev/sda": disk, "/dev/sda1": part})

    assert users_of("/dev/sda", vm("b", "/dev/sda1", kind="raw"), known) == ["VM b"]


def test_names_with_line_breaks_stay_on_one_line() -> None:
    top = "/p/new\nline\x1b[2J"
    [told] = users_of("/disk", [], files({top: image("2", "/disk")}, top))

    assert told == "volume /p/new\\nline\\x1b[2J"


def test_many_users_are_counted() -> None:
    named = [reference for number in range(50) for reference in vm(f"b{number:02}", "/disk")]

    assert users_of("/disk", named, files({}))[9:] == ["VM b09", "40 more"]


NAMES = st.sampled_from([f"/{n}" for n in range(6)])


@given(st.dictionaries(NAMES, NAMES))
def test_any_chains_end_and_name_each_volume_above_once(backing: dict[str, str]) -> None:
    known = {f"/{n}": image(str(n), *filter(None, [backing.get(f"/{n}")])) for n in range(6)}
    users = users_of("/0", [], Files(known, tuple(known)))

    assert len(users) == len(set(users))
    assert {f"volume {top}" for top, below in backing.items() if below == "/0" != top} <= set(users)


def test_who_writes_to_an_image_is_found_by_whatever_path() -> None:
    xml = (
        "<domain><devices><disk type='file' device='disk'><source file='/link'/>{}</disk></devices></domain>"
    )
    known = files({"/link": image("1")})

    for more, writers in (("", ["b"]), ("<readonly/>", []), ("<shareable/>", [])):
        uses = Uses(tuple(references("VM b", xml.format(more), nowhere)), known)
        assert uses.writers("/disk") == writers


def test_what_lies_outside_of_the_pools_is_a_stray() -> None:
    below = {
        "/p/x": image("2", "/p/./y"),
        "/p/./y": image("3", "/etc/z"),
        "/p/y": image("3"),
        "/etc/z": image("4"),
    }
    uses = Uses((), Files(below, ("/p/x", "/p/y")))

    assert uses.strays("/p/x", ["/p"]) == ["/etc/z"]


def on_disk(inner: str) -> str:
    return f"<devices><disk><source file='/x'/>{inner}</disk></devices>"


def argument(value: str) -> str:
    return f"<q:commandline xmlns:q='q'><q:arg value='{value}'/></q:commandline>"


EVERYWHERE = {
    "disk": "<devices><disk><source file='/it'/></disk></devices>",
    "block device": "<devices><disk type='block'><source dev='/it'/></disk></devices>",
    "below a disk": on_disk("<backingStore><source file='/it'/></backingStore>"),
    "being copied to": on_disk("<mirror><source file='/it'/></mirror>"),
    "its data": on_disk("<dataStore><source file='/it'/></dataStore>"),
    "by its pool": "<devices><disk type='volume'><source pool='it' volume='it'/></disk></devices>",
    "UEFI variables": "<os><nvram>/it</nvram></os>",
    "variables' source": "<os><nvram type='file'><source file='/it'/></nvram></os>",
    "their template": "<os><nvram template='/it'>/x</nvram></os>",
    "kernel": "<os><kernel>/it</kernel></os>",
    "console log": "<devices><serial type='pty'><log file='/it' append='off'/></serial></devices>",
    "serial line": "<devices><serial type='file'><source path='/it'/></serial></devices>",
    "nvdimm": "<devices><memory model='nvdimm'><source><path>/it</path></source></memory></devices>",
    "filesystem": "<devices><filesystem type='file'><source file='/it'/></filesystem></devices>",
    "QEMU's argument": argument("file=/it,if=virtio"),
    "argument in JSON": argument("{&quot;filename&quot;:&quot;/it&quot;}"),
    "snapshot's memory": "<memory snapshot='external' file='/it'/>",
}


@pytest.mark.parametrize("inner", EVERYWHERE.values(), ids=EVERYWHERE)
def test_a_file_is_named_wherever_a_definition_names_it(inner: str) -> None:
    def resolve(pool: str, _volume: str) -> str:
        return f"/{pool}"

    assert "/it" in {r.path for r in references("VM b", f"<domain>{inner}</domain>", resolve)}


def test_prose_and_metadata_name_nothing() -> None:
    xml = "<domain><metadata><x:disk xmlns:x='x'>/it</x:disk></metadata><title>/it</title></domain>"

    assert list(references("VM b", xml, nowhere)) == []


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("protocol='nbd' name='x'", "its disk is reached by nbd, and may be a file of this host"),
        ("pool='gone' volume='v'", "volume v of pool gone is in no pool that tells where"),
    ],
)
def test_a_disk_of_which_nobody_can_tell_what_it_is_counts(source: str, why: str) -> None:
    xml = f"<domain><devices><disk><source {source}/></disk></devices></domain>"
    named = list(references("VM b", xml, nowhere))

    assert users_of("/disk", named, files({})) == [f"VM b perhaps ({why})"]


def test_a_disk_of_ceph_is_no_file_of_a_host() -> None:
    xml = "<domain><devices><disk><source protocol='rbd' name='p/i'/></disk></devices></domain>"

    assert list(references("VM b", xml, nowhere)) == []


def test_formats_are_those_that_qemu_opens_with() -> None:
    kinds = {r.path: r.kind for r in references("VM b", using("/a"), nowhere)}

    assert kinds == {"/a": "qcow2"}
