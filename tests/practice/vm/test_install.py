"""plan_vm with a system to install, on the practice host: what is planned, and what nobody may see."""

import pytest

import kvmkit as kk
from kvmkit.vm.xml import parse

TREE = "http://tree.example/rocky9"
SPEC = kk.VMSpec(name="web1", memory_mib=2048)


def system(**fields: object) -> kk.InstallSpec:
    return kk.InstallSpec(**({"location": TREE, "user": "ann", "password": "hunter2"} | fields))


def test_planning_the_same_twice_gives_the_same_id_though_hashes_differ(host: kk.Host) -> None:
    assert kk.plan_vm(host, SPEC, system()).id == kk.plan_vm(host, SPEC, system()).id
    assert kk.plan_vm(host, SPEC, system()).id != kk.plan_vm(host, SPEC, system(kernel_args="quiet")).id


def test_secrets_are_in_the_steps_that_need_them_and_nowhere_else(host: kk.Host) -> None:
    plan = kk.plan_vm(host, SPEC, system())
    text = "".join([repr(plan), plan.model_dump_json(), plan._repr_html_(), str(plan.shown)])

    assert [list(step.secrets) for step in plan.steps if step.secrets] == [["ks.cfg"]]
    assert "hunter2" not in text
    assert "$6$" not in text
    assert "user --name=ann --groups=wheel --iscrypted" in text


def test_the_two_definitions_are_one_vm(host: kk.Host) -> None:
    plan = kk.plan_vm(host, SPEC, system())
    args = {step.action: step.args for step in plan.steps}
    first, last = parse(args["vm-define"]["xml"]), parse(args["vm-boot-disk"]["xml"])

    assert first.findtext("uuid") == last.findtext("uuid")
    assert first.findtext("os/kernel") == args["installer-remove"]["volumes"][0]["path"]
    assert first.findtext("on_reboot") == "destroy"
    assert last.find("os/kernel") is None
    assert last.find("on_reboot") is None


def test_answers_on_a_cd_are_deleted_with_the_rest(host: kk.Host) -> None:
    plan = kk.plan_vm(host, SPEC, system(delivery="seed"))
    [answers] = [step for step in plan.steps if step.action == "answers-upload"]
    [remove] = [step for step in plan.steps if step.action == "installer-remove"]

    assert answers.args["label"] == "OEMDRV"
    assert answers.args["path"] in [volume["path"] for volume in remove.args["volumes"]]
    assert answers.args["path"] in plan.shown["The XML that is installed with"]
    assert answers.args["path"] not in plan.shown["The XML that is kept"]


def test_on_the_practice_host_it_is_rehearsed(host: kk.Host) -> None:
    report = kk.apply(kk.plan_vm(host, SPEC, system()))

    assert {row.status for row in report.checks} == {kk.Status.SKIP}
    assert "web1" not in kk.vms(host).index
    assert kk.history(host).empty


def test_a_tree_for_another_processor_is_refused(host: kk.Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvmkit.install.plan.architecture", lambda _xml: "aarch64")
    with pytest.raises(kk.InvalidSpec, match="location: a tree for x86_64, and the host's VMs are aarch64"):
        kk.plan_vm(host, SPEC, system())


def test_without_a_system_to_install_it_plans_a_vm(host: kk.Host) -> None:
    assert kk.plan_vm(host, SPEC).title == "create VM web1"
