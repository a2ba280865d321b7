"""Runbooks run without a person: what is kept, what is refused, and how a run goes on that was stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

import kvmkit as kk
from tests.practice.dying import end_kernel
from tests.practice.kernels import URI

NAMES = ["10-check-host", "40-create-vm", "02-life-of-a-vm"]


def kept(notebook: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]["kvmkit"]
    return record


def cells(notebook: Path) -> dict[str, Any]:
    return {cell["id"]: cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]}


def test_each_run_is_kept_with_its_host_operator_time_plans_and_journal(host: kk.Host) -> None:
    runs = [kk.run_runbook(name, URI) for name in NAMES]
    checked, created, lived = (kept(run.notebook) for run in runs)
    history = kk.history(host)
    listed = history[history["what"].str.startswith("run ")]

    assert [run.name for run in runs] == NAMES
    assert [len(run.plans) for run in runs] == [0, 1, 2]
    for record, run in zip((checked, created, lived), runs, strict=True):
        assert (record["host"], record["runbook"], record["state"]) == (URI, run.name, "done")
        assert record["operator"] == listed["operator"].iloc[0]
        assert record["time"] < record["ended"]
        assert record["plans"] == list(run.plans)
    assert (checked["journal"], checked["verbs"], created["verbs"]) == ([], [], [])
    assert created["journal"][0]["title"] == "create VM web1"
    assert set(created["journal"][0]["steps"].values()) == {"done"}
    assert lived["verbs"][0]["what"] == "suspend VM tour"
    assert listed["state"].tolist() == ["done"] * 3
    assert listed["what"].tolist() == [f"run {run.name}, kept as {run.notebook}" for run in runs]
    assert list(kk.vms(host).index) == ["demo", "web1"]
    kk.fresh_practice_host()
    assert kk.history(host).empty
    assert not runs[0].notebook.exists()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (
            {"vm_nane": "web2"},
            r"vm_nane: 40-create-vm has no such parameter; did you mean vm_name\? it has: uri",
        ),
        (
            {"xyz": 1, "memory_mib": "lots"},
            r"xyz: .* has no such parameter; it has: .*; memory_mib: 'lots': Input",
        ),
        ({"password": "hunter2"}, r"^password: a secret cannot be a parameter"),
        ({"cdrom": "ftp://me:hunter2@kvm1/cd.iso"}, r"^cdrom: a secret cannot be a parameter"),
        ({"cdrom": "http://hunter2@kvm1/cd.iso"}, r"^cdrom: a secret cannot be a parameter"),
        ({"location": "http://kvm1/tree?hunter2"}, r"^location: a secret cannot be a parameter"),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_is_begun(
    host: kk.Host, parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(kk.InvalidSpec, match=said) as refused:
        kk.run_runbook("40-create-vm", URI, **parameters)

    assert "hunter2" not in str(refused.value)
    assert kk.history(host).empty


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("50-manage-vms", {"vm_name": "dmeo"}, r"NotFound: no VM 'dmeo' on test:///default; it has: demo\."),
        (
            "41-unattended-install",
            {"ssh_keys_file": "/nowhere/key.pub"},
            r"KvmkitError: '/nowhere/key\.pub' cannot be read on this machine: .* No such file or directory",
        ),
    ],
)
def test_what_a_person_mistypes_is_told_in_one_line(
    host: kk.Host, name: str, parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(kk.RunFailed, match=said) as failed:
        kk.run_runbook(name, URI, **parameters)

    assert kk.vms(host).loc["demo", "state"] == "running"
    assert "Traceback" not in failed.value.notebook.read_text(encoding="utf-8")


def test_a_runbook_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(
        kk.NotFound, match=r"no runbook '../40-create-vm'; there are: 00-menu, .*10-check-host"
    ):
        kk.run_runbook("../40-create-vm", URI)
    with pytest.raises(kk.InvalidURI):
        kk.run_runbook("40-create-vm", "vmware://esx1")


def test_a_run_without_consent_stops_at_the_gate_and_with_it_goes_on(
    host: kk.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the runbooks are found from any folder
    with pytest.raises(kk.RunFailed) as stopped:
        kk.run_runbook("40-create-vm", URI, confirm="", vcpus=2)
    said = str(stopped.value)
    plan = kept(stopped.value.notebook)

    assert said.startswith(
        "40-create-vm on test:///default stopped at cell 'gate' (In [8]): NotApplied: plan p"
    )
    assert f"The notebook so far is kept as {stopped.value.notebook}. Nothing is left half done" in said
    assert "\n" not in said
    assert (plan["state"], plan["plans"], plan["parameters"]) == ("failed", [], {"confirm": "", "vcpus": 2})
    assert list(kk.vms(host).index) == ["demo"]

    (confirm,) = {word.strip("'.,") for word in said.split("confirm=")[1:2] for word in [word.split()[0]]}
    run = kk.run_runbook("40-create-vm", URI, confirm=confirm, vcpus="2")  # as text, from a command line

    assert run.plans == (confirm,)
    assert kk.vms(host).loc["web1", "vcpus"] == 2
    assert kk.history(host)["state"].tolist() == ["failed", "done", "done"]


# Of the records of the plan that 40-create-vm makes: begun, applying, two for each of its three steps, done.
@pytest.mark.parametrize("record", [4, 9], ids=["with a volume made", "with all made"])
def test_a_run_whose_kernel_dies_goes_on_where_it_stood(
    host: kk.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: int
) -> None:
    end_kernel(monkeypatch, tmp_path, record)
    with pytest.raises(
        kk.RunFailed, match=r"stopped at cell 'apply'.*: DeadKernelError: Kernel died"
    ) as stopped:
        kk.run_runbook("40-create-vm", URI)
    (plan,) = kept(stopped.value.notebook)["plans"]
    way = "Half applied" if record == 4 else "Applied, and standing"

    assert f"{way}: {plan} (create VM web1)" in str(stopped.value)
    assert [p.id for p in kk.pending(host)] == [plan] * (record == 4)
    if record == 4:
        with pytest.raises(
            kk.NotApplied, match=f"left plan {plan} .create VM web1. half applied .* confirm='{plan}'"
        ):
            kk.run_runbook("40-create-vm", URI, confirm="p000000000")

    run = kk.run_runbook("40-create-vm", URI)

    assert run.plans == (plan,)
    assert kk.pending(host) == []
    assert kk.vms(host).loc["web1", "state"] == "running"
    assert "take-up" in cells(run.notebook)
    assert "VM web1 on test:///default: 4 PASS" in json.dumps(cells(run.notebook)["verify"]["outputs"])


def test_a_run_whose_whole_process_is_killed_goes_on_where_it_stood(
    host: kk.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The VM is undefined by then, and its disk not yet deleted.
    end_kernel(monkeypatch, tmp_path, 6, "[os.getppid(), os.getpid()]")
    code = "import kvmkit as kk; kk.run_runbook('50-manage-vms', 'test:///default')"
    killed = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False, timeout=240)

    assert killed.returncode == -9
    assert list(kk.vms(host).index) == []
    assert kk.history(host)["state"].tolist()[0] == "running"
    (plan,) = kk.pending(host)

    run = kk.run_runbook("50-manage-vms", URI)
    shown = cells(run.notebook)

    assert run.plans == (plan.id,)
    assert kk.pending(host) == []
    assert "demo.qcow2" not in kk.volumes(host).index
    assert shown["addresses"]["execution_count"] is None  # its VM is gone
    assert "delete VM demo on test:///default: 2 PASS" in json.dumps(shown["verify"]["outputs"])


def test_one_run_at_a_time_on_a_host(host: kk.Host) -> None:
    from kvmkit import journal

    with journal.lock(URI, "running 10-check-host", run=True):
        kk.apply(kk.plan_defaults(host))  # which a run does as well, in its kernel
        with pytest.raises(kk.Busy, match=r"process \d+ is running 10-check-host on test:///default"):
            kk.run_runbook("40-create-vm", URI)


def test_make_runs_a_runbook_with_words_as_parameters() -> None:
    root, tools = Path(__file__).resolve().parents[2], Path(sys.executable).parent
    # Without the set-up, which has been made already.
    argv = ["make", "-s", "--old-file=.venv/stamp", f"BIN={tools}", "run-40-create-vm", f"URI={URI}"]

    def make(parameters: str) -> subprocess.CompletedProcess[str]:
        command = [*argv, f"PARAMETERS={parameters}"]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=240)

    refused = make("vcpus=1 memory_mib=lots")
    assert refused.returncode != 0
    assert refused.stdout == ""
    assert refused.stderr.startswith("Error: InvalidSpec: memory_mib: 'lots': Input should be")
    assert "'memory_mib' is not of the form PARAMETER=VALUE" in make("memory_mib").stderr


FORM = """
from pathlib import Path
import kvmkit as kk
secret = Path(file).read_text()
form = kk.form(kk.InstallSpec, kk.connect(uri), user="ann", password=secret, post=f"TOKEN={secret}")
form.fields["root_password"].value = secret
form.fields["password"]._handle_custom_msg({"value": secret + "2"}, [])  # as a page sends it
form
"""


def test_what_a_form_holds_in_secret_is_in_no_notebook_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = nbformat.v4.new_code_cell('uri = ""\nfile = ""', metadata={"tags": ["parameters"]})
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    book = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(FORM)], metadata=spec)
    nbformat.write(book, tmp_path / "form.ipynb")
    (tmp_path / "file").write_text("hunter2")
    monkeypatch.setattr("kvmkit.runs.runbook.runbooks", lambda: tmp_path)

    kept = kk.run_runbook("form", URI, file=str(tmp_path / "file")).notebook.read_text()

    assert "Root password" in kept  # the state of the widgets is in it
    assert "hunter2" not in kept
