"""A real dnf gets packages from a real repository by kvmkit's plans, and all of it is taken back."""

import contextlib
import os
import subprocess
from collections.abc import Iterator

import pytest

import kvmkit as kk
from kvmkit.prepare import manager
from tests.dnf.rpms import FILE_URL, HTTP_URL, REPOSITORY, Package, add, served, sign
from tests.lab import debian
from tests.lab.machine import Machine
from tests.lab.waiting import wait_until

OURS = "/etc/yum.repos.d/local.repo"
OTHERS = "/etc/yum.repos.d/others.repo"
BOTH = ["base-1.0-1.noarch", "tool-1.0-1.noarch"]


def spec(**fields: str | bool) -> kk.RepositorySpec:
    return kk.RepositorySpec.model_validate(
        {"name": "local", "baseurl": FILE_URL, "gpgcheck": False} | fields
    )


def installed(machine: Machine) -> list[str]:
    return sorted(machine.run(["rpm", "-qa"]).stdout.split())


def repositories(machine: Machine) -> list[str]:
    """Name those that dnf itself knows."""
    listed = machine.run(["dnf", "--quiet", "repolist", "--all"]).stdout.splitlines()
    return [line.split()[0] for line in listed[1:]]


def state(machine: Machine) -> dict[str, object]:
    """Give the packages, and the files about repositories byte for byte, with owner, mode and time."""
    found: dict[str, object] = {"packages": installed(machine)}
    for path in sorted(machine.path("/etc/yum.repos.d").iterdir()):
        about = path.stat()
        found[path.name] = (path.read_bytes(), about.st_uid, about.st_mode, about.st_mtime_ns)
    found["kept"] = machine.path("/var/lib/kvmkit").exists()
    return found


@contextlib.contextmanager
def unchanged(machine: Machine) -> Iterator[None]:
    before = state(machine)
    yield
    assert state(machine) == before


@pytest.fixture
def others(machine: Machine) -> None:
    """Describe a repository of somebody's, as no program would write it."""
    file = machine.path(OTHERS)
    file.write_bytes(b"# caf\xe9\r\n[others]\nname = Others\nbaseurl=file:///srv/others\nenabled=0")
    file.chmod(0o640)
    os.utime(file, (1_000_000_000, 1_000_000_000))


@pytest.fixture
def local(host: kk.Host) -> None:
    """Have the repository configured."""
    kk.apply(kk.plan_repository(host, spec()))


@pytest.mark.parametrize(("url", "keep_others"), [(FILE_URL, True), (HTTP_URL, False)])
def test_a_package_comes_from_a_repository_and_all_is_taken_back(
    machine: Machine, host: kk.Host, others: None, url: str, keep_others: bool
) -> None:
    with served(machine), unchanged(machine):
        with unchanged(machine):
            repository = kk.plan_repository(host, spec(baseurl=url, keep_others=keep_others))
        assert repository.notes[0].startswith("WARNING: packages of local are installed unsigned")
        configured = kk.apply(repository)
        assert repositories(machine) == (["local", "others"] if keep_others else ["local"])

        with unchanged(machine):
            plan = kk.plan_packages(host, ["tool"])
        assert plan.shown["The 2 packages that are added"] == "base.noarch 1.0-1\ntool.noarch 1.0-1"
        report = kk.apply(plan)
        assert installed(machine) == BOTH
        assert kk.plan_packages(host, ["tool"]).empty

        kk.undo(report)
        kk.undo(configured)


@pytest.mark.parametrize("url", ["file:///nowhere", "http://127.0.0.1:9/x", "http://repo.invalid/x"])
def test_a_repository_that_does_not_answer_is_refused(machine: Machine, host: kk.Host, url: str) -> None:
    message = r"baseurl: .*does not serve .*: Error: Failed to download metadata.*Nothing was changed"
    with unchanged(machine), pytest.raises(kk.InvalidSpec, match=message):
        kk.plan_repository(host, spec(baseurl=url, keep_others=False))


def test_a_repository_whose_index_is_broken_is_refused(machine: Machine, host: kk.Host) -> None:
    machine.path("/srv/packages/repodata/repomd.xml").write_text("<html>Not found</html>")
    with unchanged(machine), pytest.raises(kk.InvalidSpec, match="does not serve"):
        kk.plan_repository(host, spec())


def test_signed_packages_are_installed_by_the_key_of_their_repository(
    machine: Machine, host: kk.Host
) -> None:
    plan = kk.plan_repository(host, spec(gpgcheck=True, gpgkey=sign(machine)))
    assert plan.notes == (
        "rpm keeps the key from the first package on, also when the repository is taken back",
    )
    kk.apply(plan)
    report = kk.apply(kk.plan_packages(host, ["tool"]))
    [base, key, tool] = installed(machine)
    assert [base, tool] == BOTH

    kk.undo(report)
    assert installed(machine) == [key]
    assert key.startswith("gpg-pubkey-")


def test_unsigned_packages_are_refused_unless_asked_for(machine: Machine, host: kk.Host) -> None:
    key = sign(machine)
    add(machine, Package("unsigned"))
    kk.apply(kk.plan_repository(host, spec(gpgcheck=True, gpgkey=key)))
    plan = kk.plan_packages(host, ["unsigned"])
    with unchanged(machine), pytest.raises(kk.ApplyFailed, match=r"GPG check FAILED.*the host is as before"):
        kk.apply(plan)


def test_checking_signatures_without_any_key_is_refused(machine: Machine, host: kk.Host) -> None:
    with unchanged(machine), pytest.raises(kk.InvalidSpec, match=r"gpgkey: '': .* trusts no key yet"):
        kk.plan_repository(host, spec(gpgcheck=True))


def test_a_repository_that_has_ceased_to_answer_is_named(
    machine: Machine, host: kk.Host, local: None
) -> None:
    machine.run(["mv", REPOSITORY, "/srv/moved"])
    message = r"Errors during downloading metadata for repository 'local': - .*/srv/packages/repodata"
    with unchanged(machine), pytest.raises(kk.CommandFailed, match=message):
        kk.plan_packages(host, ["tool"])


def test_a_package_that_does_not_exist(machine: Machine, host: kk.Host, local: None) -> None:
    with unchanged(machine), pytest.raises(kk.NotFound, match="no package no-such-thing in the repositories"):
        kk.plan_packages(host, ["tool", "no-such-thing"])


def test_what_would_replace_a_package_is_refused(machine: Machine, host: kk.Host, local: None) -> None:
    machine.run(["dnf", "-y", "install", "tool"])
    add(machine, Package("usurper", header="Obsoletes: tool"))
    with unchanged(machine), pytest.raises(kk.Conflict, match=r"dnf would remove tool"):
        kk.plan_packages(host, ["usurper"])


def test_an_upgrade_along_the_way_is_told(machine: Machine, host: kk.Host, local: None) -> None:
    machine.run(["dnf", "-y", "install", "base"])
    add(machine, Package("base", version="2.0"), Package("newer", header="Requires: base >= 2.0"))
    plan = kk.plan_packages(host, ["newer"])

    assert "upgraded along the way, and not taken back by undo: base.noarch 2.0-1" in plan.notes
    kk.undo(kk.apply(plan))
    assert installed(machine) == ["base-2.0-1.noarch"]


def test_undo_is_refused_when_something_came_to_need_it(machine: Machine, host: kk.Host, local: None) -> None:
    add(machine, Package("later", header="Requires: tool"))
    report = kk.apply(kk.plan_packages(host, ["tool"]))
    machine.run(["dnf", "-y", "--refresh", "install", "later"])
    with unchanged(machine), pytest.raises(kk.ApplyFailed, match=r"later.* came later and needs"):
        kk.undo(report)


def test_after_a_killed_transaction_all_is_as_before(machine: Machine, host: kk.Host, local: None) -> None:
    plan = kk.plan_packages(host, ["tool"])
    machine.path("/run/kill").touch()
    with unchanged(machine), pytest.raises(kk.ApplyFailed, match="the host is as before"):
        kk.apply(plan)
    machine.path("/run/kill").unlink()

    assert kk.apply(plan).ok
    assert installed(machine) == BOTH


# The rpm of Debian 12 has to be told that it is meant; that of Debian 13 does not know the option.
MEANT = ["--force-debian"] if debian.SUITE == "bookworm" else []
OTHERS_AT_WORK = {
    "dnf": ["dnf", "-y", "--refresh", "install", "slow"],
    "rpm": ["rpm", *MEANT, "--install", f"{REPOSITORY}/noarch/slow-1.0-1.noarch.rpm"],
}
SLOW = "touch /run/holds\ntimeout 300 sh -c 'until [ -e /run/go-on ]; do sleep 0.1; done'"


@pytest.fixture(params=OTHERS_AT_WORK)
def busy(request: pytest.FixtureRequest, machine: Machine, local: None) -> Iterator[subprocess.Popen[str]]:
    """Have another dnf, or rpm, hold the lock until /run/go-on exists, for five minutes at most."""
    add(machine, Package("slow", post=SLOW))
    argv = machine.entering(OTHERS_AT_WORK[request.param])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as other:
        try:
            wait_until(machine.path("/run/holds").exists, "the other one in its transaction")
            yield other
        finally:
            machine.path("/run/go-on").touch()
            other.communicate(timeout=300)


def test_the_lock_of_another_is_waited_for(
    machine: Machine, host: kk.Host, busy: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        machine.path("/run/go-on").touch()
        busy.wait(300)

    monkeypatch.setattr(manager, "sleep", sleep)
    assert kk.apply(kk.plan_packages(host, ["tool"])).ok
    assert waited
    assert installed(machine) == [BOTH[0], "slow-1.0-1.noarch", BOTH[1]]


def test_a_lock_that_stays_is_told(
    machine: Machine, host: kk.Host, busy: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager, "LOCK_SECONDS", -1)
    with pytest.raises((kk.Busy, kk.ApplyFailed), match="another package manager works on"):
        kk.apply(kk.plan_packages(host, ["tool"]))
