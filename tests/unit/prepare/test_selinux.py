"""SELinux's labels, rules, booleans and modes, on a synthetic state: the tests' machine has no SELinux."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import kvmkit as kk
from kvmkit.check.facts import Facts
from kvmkit.framing import escaped
from kvmkit.prepare.root import Root
from kvmkit.prepare.selinux import _plan, _pool_folders
from kvmkit.prepare.selinux_steps import Folder, State, _script, in_use, parse_state, read_state

CONFIG = b"# SELINUX= can take one of these three values:\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"
IMAGES = "/var/lib/libvirt/images"
GOOD = Folder(IMAGES, "xfs", "virt_image_t", {"virt_image_t"}, {IMAGES: "system_u:object_r:virt_image_t:s0"})
USER = "unconfined_u:object_r:user_home_t:s0"
WRONG = Folder(
    "/srv/vms",
    "xfs",
    "var_t",
    {"var_t"},
    {
        "/srv/vms": "system_u:object_r:var_t:s0",
        "/srv/vms/web1.qcow2": USER,
        "/srv/vms/runs.qcow2": "system_u:object_r:svirt_image_t:s0:c1,c2",
    },
)


def state(*folders: Folder, mode: str = "Enforcing", config: bytes = CONFIG) -> State:
    return State(mode, list(folders), {}, config)


def plan(found: State, **fields: Any) -> kk.Plan:
    return _plan("kvm1", kk.SELinuxSpec(**fields), found)


def actions(planned: kk.Plan) -> list[str]:
    return [step.action for step in planned.steps]


def test_an_enforcing_host_with_right_labels_needs_nothing() -> None:
    assert plan(state(GOOD)).empty


def test_a_folder_that_the_policy_does_not_know_gets_a_rule_and_labels() -> None:
    (step,) = plan(state(GOOD, WRONG)).steps

    assert step.title == "a rule that /srv/vms is virt_image_t, and labels for 3 files there"
    assert step.args["rule"] == "/srv/vms(/.*)?"
    # What libvirt labels by itself while a VM runs is none of undo's business.
    assert step.args["labels"] == {
        "/srv/vms": "system_u:object_r:var_t:s0",
        "/srv/vms/web1.qcow2": USER,
    }


def test_files_with_wrong_labels_in_a_known_folder_get_labels_only() -> None:
    moved = replace(GOOD, wrong=1, labels=GOOD.labels | {f"{IMAGES}/x": USER})
    (step,) = plan(state(moved)).steps

    assert step.title == f"labels for 1 file in {IMAGES}"
    assert step.args["rule"] == ""


def test_a_rule_of_somebodys_is_given_back_by_undo() -> None:
    found = State("Enforcing", [WRONG], {"/srv/vms(/.*)?": "var_t"}, CONFIG)

    assert plan(found).steps[0].args["rule_before"] == "var_t"


# synthetic: what matchpathcon says of such folders, by the targeted policy's file_contexts.
@pytest.mark.parametrize(
    ("path", "purposes"),
    [
        ("/root", {"admin_home_t", "ssh_home_t"}),
        ("/export/isos", {"user_home_t"}),
        ("/home", {"home_root_t", "user_home_dir_t"}),
        ("/var", {"var_t", "var_log_t", "cron_spool_t"}),
        ("/var/www/images", {"httpd_sys_content_t"}),
        ("/opt", {"usr_t", "bin_t"}),
        ("/srv/share", {"samba_share_t"}),
        ("/var/spool/isos", {"var_spool_t"}),
    ],
)
def test_a_folder_of_somebody_else_is_never_labelled(path: str, purposes: set[str]) -> None:
    pool = Folder(path, "xfs", min(purposes), purposes, {f"{path}/cd.iso": USER}, wrong=1)
    planned = plan(state(GOOD, pool, mode="Permissive"))

    assert "selinux-label" not in actions(planned)
    [note] = [note for note in planned.notes if path in note]
    assert f"no labels in {path}: by the policy its files are for others ({min(purposes)}" in note
    with pytest.raises(kk.InvalidSpec, match=f"folders: '{path}': by the policy its files are for others"):
        plan(state(pool), folders=path)


@pytest.mark.parametrize(("filesystem", "boolean"), [("nfs", "virt_use_nfs"), ("smb2", "virt_use_samba")])
def test_files_of_another_machine_get_a_boolean(filesystem: str, boolean: str) -> None:
    (step,) = plan(state(replace(WRONG, filesystem=filesystem))).steps

    assert (step.action, step.args) == ("selinux-boolean", {"name": boolean})


def test_permissive_now_and_at_boot_with_what_it_costs() -> None:
    planned = plan(state(GOOD), mode="permissive")

    assert actions(planned) == ["file-edit", "selinux-mode"]
    assert "+SELINUX=permissive" in planned.shown["/etc/selinux/config"]
    assert planned.steps[1].args == {"mode": "Permissive", "before": "Enforcing"}
    assert planned.notes[0].startswith("WARNING: ")


def test_disabled_is_permissive_until_the_reboot() -> None:
    planned = plan(state(GOOD), mode="disabled")

    assert "+SELINUX=disabled" in planned.shown["/etc/selinux/config"]
    assert planned.steps[1].args["mode"] == "Permissive"
    assert any("off after the next reboot" in note for note in planned.notes)


def test_back_to_enforcing_labels_come_first() -> None:
    found = state(WRONG, mode="Permissive", config=CONFIG.replace(b"=enforcing", b"=permissive"))

    assert actions(plan(found)) == ["selinux-label", "file-edit", "selinux-mode"]


def test_from_disabled_the_way_leads_through_a_reboot_that_labels_everything() -> None:
    found = state(WRONG, mode="Disabled", config=CONFIG.replace(b"=enforcing", b"=disabled"))
    planned = plan(found)

    assert [step.title for step in planned.steps] == [
        "edit /etc/selinux/config: SELINUX=permissive",
        "write /.autorelabel",
    ]
    assert any("then plan again" in note for note in planned.notes)


def test_a_host_without_selinux_is_told_so() -> None:
    with pytest.raises(kk.Unsupported, match="has no SELinux; its kernel confines VMs by AppArmor"):
        kk.plan_selinux(kk.connect("test:///default"), kk.SELinuxSpec())


def test_folders_of_pools_are_those_that_a_rule_can_name(read_capture: Callable[[str], Facts]) -> None:
    # The other one there is "/srv/vms & disks".
    assert _pool_folders(read_capture("rhel9")) == [IMAGES]


@pytest.mark.parametrize("folders", ["srv", "/a/../b", "/a b", "/", "/a;id", "/a(/.*)?"])
def test_what_is_no_plain_folder_is_refused(folders: str) -> None:
    with pytest.raises(kk.InvalidSpec, match="folders: "):
        kk.SELinuxSpec(folders=folders)


def test_an_answer_that_was_cut_off_is_no_answer() -> None:
    with pytest.raises(kk.KvmkitError, match="ends early"):
        parse_state("### mode\n|Enforcing\n", CONFIG)


# synthetic: what these commands print, by their manual pages; the folder is real and has no labels here.
STUBS = {
    "getenforce": "echo Enforcing",
    "matchpathcon": "echo system_u:object_r:var_t:s0",
    "restorecon": (
        "xargs -0 -I FILE echo Would relabel FILE from system_u:object_r:x_t:s0 to system_u:object_r:var_t:s0"
    ),
    # The real one, which knows no labels here.
    "find": """[ "$3" = -print0 ] && exec /usr/bin/find "$@"
folder=$1 format=$4
print() {
    format=$(printf %s "$format" | sed "s/%Z/$1/") && shift && /usr/bin/find "$folder" "$@" -printf "$format"
}
(print system_u:object_r:x_t:s0 ! -name 'runs*')
(print system_u:object_r:svirt_image_t:s0:c1,c2 -name 'runs*')""",
    "semanage": "printf '%-50s %-18s %s \\n' '/srv/vms(/.*)?' 'all files' system_u:object_r:virt_image_t:s0",
}


@pytest.fixture
def stubbed(here: kk.Host, tmp_path: Path) -> Root:
    """Give this machine with an SELinux of stubs."""
    stubs = tmp_path / "bin"
    stubs.mkdir()
    for name, text in STUBS.items():
        (stubs / name).write_text(f"#!/bin/sh\n{text}\n")
        (stubs / name).chmod(0o755)
    return Root(here, ("env", f"PATH={stubs}:{os.environ['PATH']}"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a b", "runs.qcow2"):
        (folder / name).touch()
    return folder


def test_the_script_prints_what_is_parsed(stubbed: Root, images: Path) -> None:
    found = read_state(stubbed, [str(images), "/nowhere/at/all"])

    (seen,) = found.folders
    assert (found.mode, found.rules) == ("Enforcing", {"/srv/vms(/.*)?": "virt_image_t"})
    assert (seen.path, seen.policy, seen.wrong) == (str(images), "var_t", 2)
    assert seen.labels[f"{images}/a b"] == "system_u:object_r:x_t:s0"
    assert set(seen.labels) == {str(images), f"{images}/a b", f"{images}/runs.qcow2"}
    assert seen.purposes == {"var_t"}
    assert seen.filesystem


def test_disks_of_running_vms_keep_their_labels(stubbed: Root, images: Path) -> None:
    relabelled = _script(stubbed, "restore", str(images))

    assert [line.split(" from ")[0] for line in relabelled.splitlines()] == [
        f"Would relabel {images}",
        f"Would relabel {images}/a b",
    ]


def test_a_shared_disk_is_not_taken_for_one_in_use() -> None:
    assert in_use("system_u:object_r:svirt_image_t:s0:c1,c2")
    assert not in_use("system_u:object_r:svirt_image_t:s0")
    assert not in_use("unconfined_u:object_r:user_home_t:s0-s0:c0.c1023")


def test_a_name_with_line_ends_is_one_file(stubbed: Root, images: Path) -> None:
    victim = "system_u:object_r:virt_image_t:s0 /etc/shadow"
    hostile = images / f"x\nlabel {victim}\n### rules\n|{victim}\\"
    hostile.parent.mkdir(parents=True)
    hostile.touch()

    found = read_state(stubbed, [str(images)])

    assert all(path.startswith(str(images)) for path in found.folders[0].labels)
    assert str(hostile) in found.folders[0].labels
    assert found.rules == {"/srv/vms(/.*)?": "virt_image_t"}


def test_undo_labels_files_by_any_name_and_follows_no_link(
    here: kk.Host, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "chcon").write_text('#!/bin/sh\n{ pwd; printf "%s|" "$@"; } >>"$LABELLED"\n')
    (tmp_path / "chcon").chmod(0o755)
    log, elsewhere = tmp_path / "labelled", tmp_path / "elsewhere"
    root = Root(here, ("env", f"PATH={tmp_path}:{os.environ['PATH']}", f"LABELLED={log}"))
    hostile = f"{images}/x\ny\\n "
    elsewhere.mkdir()
    (images / "swapped").symlink_to(elsewhere)

    _script(root, "relabel", stdin=f"a:b:c {escaped(hostile)}\n")
    with pytest.raises(kk.CommandFailed, match="leads elsewhere"):
        _script(root, "relabel", stdin=f"a:b:c {images}/swapped/shadow\n")

    assert log.read_text() == f"{images}\n-h|--|a:b:c|./x\ny\\n |"
