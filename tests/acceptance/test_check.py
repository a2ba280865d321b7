"""check_host on a real machine says what it said of the recorded ones."""

from pathlib import Path

import kvmkit as kk
from kvmkit.check import judge_facts
from kvmkit.check.facts import parse
from tests.vhost.host import VirtualHost

CAPTURES = Path(__file__).parent.parent / "captures"


def rows(checks: tuple[kk.Check, ...]) -> dict[str, kk.Check]:
    return {row.check: row for row in checks}


def recorded(name: str) -> dict[str, kk.Status]:
    facts = parse((CAPTURES / name).read_text(encoding="utf-8"))
    return {row.check: row.status for row in judge_facts(facts, local=False)}


def test_a_bare_host_is_told_what_it_lacks(bare: VirtualHost) -> None:
    host = kk.connect(bare.uri)
    report = kk.check_host(host)
    found = rows(report.checks)

    assert not report.ok
    assert found["libvirt answers"].status is kk.Status.FAIL
    assert found["libvirt answers"].fix == "install libvirt: see the row of the packages"
    assert found["packages"].status is kk.Status.FAIL
    assert found["packages"].runbook == "20-prepare-host"
    assert found["processor"].found.startswith("svm (AMD-V)")
    assert found["kvm modules"].found == "kvm, kvm_amd"
    told = {name: row.status for name, row in found.items() if name != "libvirt answers"}
    assert told == recorded("debian12-bare.txt")


def test_the_fix_for_missing_packages_is_one_that_apt_accepts(bare: VirtualHost) -> None:
    host = kk.connect(bare.uri)
    fix = rows(kk.check_host(host).checks)["packages"].fix
    host.run(["apt-get", "update", "-qq"], timeout=600)
    simulated = host.run([*fix.split(), "--simulate"], timeout=120).stdout

    for package in ("qemu-system-x86", "libvirt-daemon-system"):
        assert f"Inst {package} " in simulated


def test_a_ready_host_fails_nowhere(ready: VirtualHost) -> None:
    report = kk.check_host(kk.connect(ready.uri))
    found = rows(report.checks)

    assert report.ok
    assert found["libvirt answers"].status is kk.Status.PASS
    assert found["/dev/kvm"].found == "the processor shows svm and libvirt-qemu can use /dev/kvm"
    told = {name: row.status for name, row in found.items() if name != "libvirt answers"}
    assert told == recorded("debian12.txt")
