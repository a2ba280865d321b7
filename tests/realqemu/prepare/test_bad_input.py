"""What can go wrong with packages, on a real apt: one clear error each, and the host is as it was."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator

import pytest

import kvmkit as kk
from kvmkit.prepare import manager
from tests.lab.lab import Lab
from tests.lab.packages import PACKAGES_URL, use
from tests.lab.waiting import wait_until

NOBODY = "http://127.0.0.1:9/debian"
"""Nothing listens there, and a lab's 127.0.0.1 is its own."""


@contextlib.contextmanager
def unchanged(lab: Lab) -> Iterator[None]:
    """See that packages, and files of /etc, are as before."""
    before = packages_and_files(lab)
    yield
    assert packages_and_files(lab) == before


def packages_and_files(lab: Lab) -> str:
    script = "dpkg -l; find /etc -type f -exec sha256sum {} + | sort -k 2"
    return lab.run(["sh", "-c", script]).stdout


@contextlib.contextmanager
def full(lab: Lab, folder: str) -> Iterator[None]:
    """Put a file system of one MiB over a folder."""
    lab.run(["mount", "--mkdir", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder])
    try:
        yield
    finally:
        lab.run(["umount", folder])


@contextlib.contextmanager
def repository(host: kk.Host, url: str) -> Iterator[None]:
    """Have the host's apt use another repository for a while."""
    use(host, url)
    try:
        yield
    finally:
        use(host, PACKAGES_URL)


@contextlib.contextmanager
def os_release(lab: Lab, text: str) -> Iterator[None]:
    """Let it be another distribution for a while; /etc/os-release is a link to this file."""
    file = lab.path("/usr/lib/os-release")
    before = file.read_text()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_text(before)


@contextlib.contextmanager
def another_apt(lab: Lab) -> Iterator[subprocess.Popen[str]]:
    """Have another apt install a package, which lasts until /run/go-on is there."""
    command = [lab.ssh_command, "lab", "apt-get -q -y update && exec apt-get -q -y install kvmkit-slow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as other:
        try:
            wait_until(lambda: "half-configured" in status(lab, "kvmkit-slow"), "dpkg at work")
            yield other
        finally:
            lab.run(["touch", "/run/go-on"])
            other.communicate(timeout=60)
            lab.run(["rm", "/run/go-on"])


def status(lab: Lab, package: str) -> str:
    form = "${db:Status-Status}"
    return lab.run(["dpkg-query", "-W", "-f", form, package], check=False).stdout


def has_failed_and_left_nothing(host: kk.Host, plan: kk.Plan, why: str) -> None:
    with pytest.raises(kk.ApplyFailed, match=why) as failed:
        kk.apply(plan)
    assert "What had been done is undone: the host is as before." in str(failed.value)
    assert kk.pending(host) == []
    assert kk.history(host)["state"].tolist() == ["undone"]


def test_a_package_that_does_not_exist_is_named(debian: Lab, host: kk.Host) -> None:
    with unchanged(debian), pytest.raises(kk.NotFound, match="no package kvmkit-absent in the repositories"):
        kk.plan_packages(host, ["kvmkit-tool", "kvmkit-absent"])
    assert kk.history(host).empty


def test_packages_of_a_repository_that_does_not_answer_are_refused(debian: Lab, host: kk.Host) -> None:
    with (
        repository(host, NOBODY),
        unchanged(debian),
        pytest.raises(kk.CommandFailed, match=r"Failed to fetch http://127\.0\.0\.1:9/.*Connection refused"),
    ):
        kk.plan_packages(host, ["kvmkit-tool"])
    assert kk.history(host).empty


def test_a_repository_that_does_not_answer_is_refused(debian: Lab, host: kk.Host) -> None:
    spec = kk.RepositorySpec(name="local", baseurl=NOBODY, suite="bookworm")
    with unchanged(debian), pytest.raises(kk.InvalidSpec, match=r"127\.0\.0\.1:9.*Connection refused"):
        kk.plan_repository(host, spec)
    assert kk.history(host).empty


def test_a_repository_that_falls_silent_after_planning(debian: Lab, host: kk.Host) -> None:
    plan = kk.plan_packages(host, ["kvmkit-tool"])
    with repository(host, NOBODY), unchanged(debian):
        has_failed_and_left_nothing(host, plan, "at 'download 2 packages': .*Connection refused")


def test_no_space_for_what_is_downloaded(debian: Lab, host: kk.Host) -> None:
    plan = kk.plan_packages(host, ["kvmkit-large"])
    with full(debian, "/var/cache/apt/archives"), unchanged(debian):
        has_failed_and_left_nothing(host, plan, "You don't have enough free space in /var/cache/apt/archives")


def test_no_space_for_what_is_installed(debian: Lab, host: kk.Host) -> None:
    plan = kk.plan_packages(host, ["kvmkit-large"])
    with full(debian, "/opt/kvmkit-large"), unchanged(debian):
        has_failed_and_left_nothing(host, plan, "at 'install kvmkit-large': .*No space left on device")

    assert kk.apply(plan).ok
    assert status(debian, "kvmkit-base") == status(debian, "kvmkit-large") == "installed"


def test_a_lock_that_stays_is_told(debian: Lab, host: kk.Host, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = kk.plan_packages(host, ["kvmkit-tool"])
    monkeypatch.setattr(manager, "LOCK_SECONDS", 1)
    with another_apt(debian):
        has_failed_and_left_nothing(
            host, plan, "another package manager works on .* still after 1 s: E: Could"
        )


def test_a_lock_that_is_released_is_waited_for(
    debian: Lab, host: kk.Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = kk.plan_packages(host, ["kvmkit-tool"])
    with another_apt(debian) as other:
        waited = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            debian.run(["touch", "/run/go-on"])
            other.wait(60)

        monkeypatch.setattr(manager, "sleep", wait)
        assert kk.apply(plan).ok
    assert waited
    assert status(debian, "kvmkit-slow") == status(debian, "kvmkit-tool") == "installed"


def test_who_may_not_change_the_system_is_told_so(debian: Lab) -> None:
    debian.run(["useradd", "--create-home", "visitor"])
    home = "/home/visitor"
    debian.run(["cp", "-r", "/root/.ssh", home])
    debian.run(["chown", "-R", "visitor:", home])
    host = kk.connect(debian.ssh_uri.replace("root@", "visitor@"))
    plans: tuple[Callable[[], kk.Plan], ...] = (
        lambda: kk.plan_packages(host, ["kvmkit-tool"]),
        lambda: kk.plan_repository(host, kk.RepositorySpec(name="x", baseurl=NOBODY, suite="./")),
        lambda: kk.plan_qemu_conf(host, kk.QemuConfSpec(vnc_listen="127.0.0.1")),
        lambda: kk.plan_libvirt_group(host, "visitor"),
    )
    for plan in plans:
        with pytest.raises(
            kk.Unsupported, match=r"^visitor may not change the system of .*: connect as root"
        ):
            plan()
    assert kk.history(host).empty


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(
            'ID=plan9\nPRETTY_NAME="Plan 9"\n', "runs Plan 9, of which kvmkit does not know", id="unknown"
        ),
        pytest.param("", "cannot be prepared: unknown, Linux .*: not supported", id="nameless"),
    ],
)
def test_an_unknown_distribution_is_refused(debian: Lab, host: kk.Host, text: str, why: str) -> None:
    with os_release(debian, text), unchanged(debian), pytest.raises(kk.Unsupported, match=why):
        kk.plan_packages(host)
    assert kk.history(host).empty
