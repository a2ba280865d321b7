"""The commands of the how-to guides, on a host over SSH as they have it."""

import json
import re
import subprocess
from pathlib import Path

import kvmkit as kk
from tests import written
from tests.realqemu.vm.world import World

HOST = "qemu+ssh://root@kvm1/system"


def planned(stopped: subprocess.CompletedProcess[str]) -> str:
    """Give the id of the plan that a run without consent names."""
    assert stopped.returncode != 0
    assert "Error: RunFailed: 40-create-vm on " in stopped.stderr, stopped.stdout + stopped.stderr
    found = re.search(r"stopped at cell 'gate' .*: NotApplied: plan (p[0-9a-f]+) ", stopped.stderr)
    assert found, stopped.stderr
    return found[1]


def test_ssh_reaches_the_host(world: World) -> None:
    # What stands for the host is its name, and ssh is told by a script how to get there.
    given = {"ssh": world.lab.ssh_command, "root@kvm1": "root@lab"}
    done = written.run("ssh root@kvm1 true", given=given)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_check_runs_without_a_person(world: World) -> None:
    done = written.run(
        "kvmkit run 10-check-host --uri qemu+ssh://root@kvm1/system", given={HOST: world.lab.ssh_uri}
    )
    listed = kk.history(world.host)

    assert listed["what"].str.startswith("run 10-check-host, kept as ").tolist() == [True]
    assert done.returncode == 0, done.stdout + done.stderr


def test_papermill_runs_a_runbook_of_the_clone(world: World, tmp_path: Path) -> None:
    done = written.run(
        ".venv/bin/papermill notebooks/10-check-host.ipynb /tmp/checked.ipynb -p uri 'qemu+ssh://root@vhost/...'",
        given={
            "/tmp": str(tmp_path),  # noqa: S108 (what stands in the guide)
            "qemu+ssh://root@vhost/...": world.lab.ssh_uri,
        },
    )

    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "checked.ipynb").read_text(encoding="utf-8"))["metadata"]["papermill"]
    assert (told["exception"], told["parameters"]) == (None, {"uri": world.lab.ssh_uri})


def test_a_vm_is_created_once_its_plan_is_confirmed(world: World) -> None:
    first = written.run(
        "kvmkit run 40-create-vm --uri qemu+ssh://root@kvm1/system vm_name=web2 memory_mib=2048",
        given={HOST: world.lab.ssh_uri},
    )
    larger = planned(first)
    again = written.run(
        "make run-40-create-vm URI=... PARAMETERS='vm_name=web2'", given={"...": world.lab.ssh_uri}
    )
    plan_id = planned(again)
    assert larger != plan_id
    assert kk.vms(world.host).empty

    done = written.run(
        "kvmkit run 40-create-vm --uri ... vm_name=web2 confirm=p33bb0cd24",
        given={"...": world.lab.ssh_uri, "p33bb0cd24": plan_id},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert kk.vms(world.host).loc["web2", "state"] == "running"


def test_virsh_gives_a_vm_of_somebody_else_a_cd_drive(world: World) -> None:
    world.define("web1", world.volume("web1.qcow2"))
    assert not world.xml("web1").xpath("//disk[@device='cdrom']")
    world.lab.run(written.argv('virsh attach-disk web1 "" sda --type cdrom --mode readonly --config'))

    kk.start(world.host, "web1")
    kk.insert_media(world.host, "web1", "rescue.iso")
    [source] = world.xml("web1").xpath("//disk[@device='cdrom']/source/@file")
    assert source.endswith("/rescue.iso")
