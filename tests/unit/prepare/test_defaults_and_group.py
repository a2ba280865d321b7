"""The default pool and network, for real on the practice host; and who may be let into the group."""

import libvirt
import pytest

import kvmkit as kk
from kvmkit.prepare import group
from kvmkit.prepare.root import Root

STEPS = ["define", "start", "autostart"]


@pytest.fixture
def practice() -> kk.Host:
    return kk.connect("test:///default")


def without_defaults(host: kk.Host) -> None:
    with host.changing("remove the defaults") as connection:
        network = connection.networkLookupByName("default")
        pool = connection.storagePoolLookupByName("default")
        for thing in (network, pool):
            thing.destroy()
            thing.undefine()


def stand(host: kk.Host) -> dict[str, tuple[bool, bool]]:
    with host.reading("look") as connection:
        things: list[libvirt.virNetwork | libvirt.virStoragePool]
        things = [*connection.listAllNetworks(), *connection.listAllStoragePools()]
        return {thing.name(): (bool(thing.isActive()), bool(thing.autostart())) for thing in things}


def test_what_is_missing_is_made_and_taken_back(practice: kk.Host) -> None:
    without_defaults(practice)
    planned = kk.plan_defaults(practice)
    assert [step.action for step in planned.steps] == [
        f"{kind}-{verb}" for kind in ("pool", "network") for verb in STEPS
    ]
    report = kk.apply(planned)

    assert report.ok
    assert stand(practice) == {"default": (True, True)}
    assert kk.pools(practice).loc["default", "path"] == "/var/lib/libvirt/images"
    assert kk.plan_defaults(practice).empty
    kk.undo(report)
    assert stand(practice) == {}


def define_pool(host: kk.Host, name: str, kind: str, path: str) -> None:
    source = "<source><name>vg</name></source>" if kind == "logical" else ""
    with host.changing(f"define pool {name}") as connection:
        connection.storagePoolDefineXML(
            f"<pool type='{kind}'><name>{name}</name>{source}<target><path>{path}</path></target></pool>", 0
        )


def test_a_folder_that_another_pool_has_gets_no_second_one(practice: kk.Host) -> None:
    without_defaults(practice)
    define_pool(practice, "images", "dir", "/var/lib/libvirt/images")
    planned = kk.plan_defaults(practice)

    assert {step.action.split("-")[0] for step in planned.steps} == {"network"}
    [note] = planned.notes
    assert note.startswith("/var/lib/libvirt/images belongs to another pool, so that none is made: ")
    assert kk.apply(planned).ok
    assert kk.plan_defaults(practice).empty


def test_somebodys_own_pool_of_that_name_is_started_and_never_built(
    practice: kk.Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_defaults(practice)
    define_pool(practice, "default", "logical", "/dev/vg")
    built = []
    monkeypatch.setattr(libvirt.virStoragePool, "build", lambda *_: built.append("vgcreate"))

    assert kk.apply(kk.plan_defaults(practice)).ok
    assert built == []
    assert stand(practice)["default"] == (True, True)


def test_what_is_there_keeps_its_definition(practice: kk.Host) -> None:
    planned = kk.plan_defaults(practice)
    assert [step.action for step in planned.steps] == ["pool-autostart", "network-autostart"]
    report = kk.apply(planned)

    assert stand(practice)["default"] == (True, True)
    kk.undo(report)
    assert stand(practice)["default"] == (True, False)


def test_a_network_with_running_vms_is_not_stopped(practice: kk.Host) -> None:
    without_defaults(practice)
    report = kk.apply(kk.plan_defaults(practice))
    kk.apply(kk.plan_vm(practice, kk.VMSpec(name="web1")))
    start = kk.Step(action="network-start", title="start it", args={"name": "default", "xml": ""})
    from kvmkit.actions import kind

    with pytest.raises(kk.Conflict, match="network default of test:///default is in use by demo, web1"):
        kind(start).code.unmake(practice, start)
    assert report.ok


def test_a_session_has_no_defaults() -> None:
    with pytest.raises(kk.Unsupported, match="makes its pools itself"):
        kk.plan_defaults(kk.connect("qemu:///session"))


@pytest.mark.parametrize("user", ["ann", "ann@corp.example", r"CORP\ann", "ann.lee-2"])
def test_an_account_may_be_one_of_a_directory(practice: kk.Host, user: str) -> None:
    assert kk.plan_libvirt_group(practice, user).steps[0].args["user"] == user


@pytest.mark.parametrize("user", ["", "-x", "a b", "root;id", "a\n", "é"])
def test_what_is_no_account_is_refused(practice: kk.Host, user: str) -> None:
    with pytest.raises(kk.InvalidSpec, match="is not the name of an account"):
        kk.plan_libvirt_group(practice, user)


def test_membership_is_rehearsed_on_the_practice_host(practice: kk.Host) -> None:
    planned = kk.plan_libvirt_group(practice, "visitor")

    assert planned.shown == {"The command it stands for": "gpasswd -a visitor libvirt"}
    assert kk.apply(planned).frame["status"].tolist() == ["SKIP"]


def test_real_accounts_are_asked_for(here: kk.Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "as_root", Root)
    monkeypatch.setattr(group, "GROUP", "root")

    assert kk.plan_libvirt_group(here, "root").empty
    assert [step.action for step in kk.plan_libvirt_group(here, "nobody").steps] == ["group-add"]
    with pytest.raises(kk.NotFound, match="has no account nosuchaccount"):
        kk.plan_libvirt_group(here, "nosuchaccount")
    monkeypatch.setattr(group, "GROUP", "nosuchgroup")
    with pytest.raises(kk.WrongState, match="has no group nosuchgroup: install libvirt first"):
        kk.plan_libvirt_group(here, "root")
