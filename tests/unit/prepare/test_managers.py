"""What apt, dnf and zypper print is understood; locks are waited for, and each refusal is one clear error."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.check.facts import Facts
from kvmkit.prepare import manager
from kvmkit.prepare.apt import apt_change
from kvmkit.prepare.manager import Change, patiently
from kvmkit.prepare.managers import manager_of
from kvmkit.prepare.root import Root
from kvmkit.prepare.rpm import Dnf, dnf_change, zypper_change

LONG = "a-package-with-a-name-that-is-much-longer-than-a-column.noarch"
RECORDED = Path(__file__).parent / "recorded"


@pytest.mark.parametrize("file", sorted(RECORDED.iterdir()), ids=lambda path: path.name)
def test_a_text_says_where_it_comes_from(file: Path) -> None:
    first = "".join(file.read_text().splitlines()[:2])

    assert (
        "# recorded " in first
        or "# synthetic: " in first
        or "<!-- recorded " in first
        or "<!-- synthetic: " in first
    )


def test_apts_simulation_names_all_that_is_added(recorded: Callable[[str], str]) -> None:
    text = recorded("apt-install.txt")
    change = apt_change(text)

    assert len(change.added) == text.count("\nInst ") > 10
    assert change.added["qemu-utils"].startswith("1:7.2+dfsg")
    assert change == Change(added=change.added)


def test_apts_simulation_tells_additions_upgrades_and_removals_apart(recorded: Callable[[str], str]) -> None:
    assert apt_change(recorded("apt-change.txt")) == Change(
        added={"qemu-utils": "1:7.2+dfsg-7+deb12u13", "libc6:i386": "2.36-9+deb12u10"},
        upgraded={"libusb-1.0-0": "2:1.0.26-1"},
        removed={"qemu-old": "1:2.1+dfsg-1", "qemu-gone": "1.0"},
    )


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("dnf-install.txt", Change(added={"alpha.noarch": "1.0-1", LONG: "1.0-1"})),
        ("dnf-remove.txt", Change(removed={"alpha.noarch": "1.0-1", LONG: "1.0-1"})),
        (
            "dnf-module.txt",
            Change(
                added={
                    "qemu-kvm.x86_64": "15:6.2.0-49.module+el8.10.0+22375",
                    "seabios-bin.noarch": "1.16.0-4.module+el8.9.0+19570",
                },
                upgraded={"glib2.x86_64": "2.56.4-165.el8_10"},
                removed={"qemu-kvm-ev": "10:2.12.0-33.1"},
                streams=("virt:rhel",),
            ),
        ),
        (
            "dnf5-install.txt",
            Change(added={"qemu-kvm.x86_64": "2:9.2.0-1.fc42", "edk2-ovmf.noarch": "20250221-4.fc42"}),
        ),
        (
            "dnf5-change.txt",
            Change(
                added={"qemu-kvm.x86_64": "2:9.2.0-1.fc42", "edk2-ovmf.noarch": "0:20250221-4.fc42"},
                upgraded={"glib2.x86_64": "0:2.84.1-1.fc42"},
                removed={"qemu-kvm-ev": "10:2.12.0-33.1"},
            ),
        ),
    ],
)
def test_dnfs_table_is_read(recorded: Callable[[str], str], file: str, change: Change) -> None:
    assert dnf_change(recorded(file)) == change


@pytest.mark.parametrize("command", [Dnf.install, Dnf._remove])
def test_before_its_command_dnf_is_told_what_all_commands_take(command: tuple[str, ...]) -> None:
    # Whatever else stands there dnf 5 refuses (dnf5-changes-from-dnf4(7), "Global options scoping").
    before = command[command.index("dnf") + 1 : -1]

    assert {option.partition("=")[0] for option in before} == {"-y", "--setopt"}


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("zypper-install.xml", Change(added={"alpha.noarch": "1.0-1", LONG: "1.0-1"})),
        (
            "zypper-change.xml",
            Change(
                added={"qemu-x86.x86_64": "8.2.2-1.1"},
                upgraded={"libusb-1_0-0.x86_64": "1.0.27-1.2"},
                removed={"patterns-kvm.noarch": "1-1"},
            ),
        ),
    ],
)
def test_zyppers_summary_is_read(recorded: Callable[[str], str], file: str, change: Change) -> None:
    assert zypper_change(recorded(file)) == change


@pytest.mark.parametrize("parse", [apt_change, dnf_change, zypper_change])
def test_nothing_to_do_is_no_change(parse: Callable[[str], Change]) -> None:
    assert parse("<stream>\n</stream>\n") == Change()


@pytest.mark.parametrize(
    ("capture", "name"),
    [("debian12-bare", "apt-get"), ("ubuntu2404", "apt-get"), ("rhel9", "dnf"), ("opensuse", "zypper")],
)
def test_a_host_has_a_package_manager(read_capture: Callable[[str], Facts], capture: str, name: str) -> None:
    assert manager_of(read_capture(capture), "kvm1") == name


def test_a_host_that_is_too_old_is_refused(read_capture: Callable[[str], Facts]) -> None:
    with pytest.raises(kk.Unsupported, match=r"kvm1 cannot be prepared: .*not supported"):
        manager_of(read_capture("rhel6"), "kvm1")


def test_an_unknown_system_is_refused(read_capture: Callable[[str], Facts]) -> None:
    facts = read_capture("debian12-bare")
    unknown = replace(facts, os=replace(facts.os, id="plan9", like=(), name="Plan 9"))
    with pytest.raises(kk.Unsupported, match="kvm1 runs Plan 9, of which kvmkit does not know how"):
        manager_of(unknown, "kvm1")


def test_a_system_that_is_like_a_known_one_is_treated_as_that(read_capture: Callable[[str], Facts]) -> None:
    facts = read_capture("debian12-bare")
    like = replace(facts, os=replace(facts.os, id="mint", like=("ubuntu", "debian")))
    assert manager_of(like, "kvm1") == "apt-get"


def test_a_system_without_a_package_manager_is_refused(read_capture: Callable[[str], Facts]) -> None:
    facts = replace(read_capture("debian12-bare"), commands=frozenset())
    with pytest.raises(kk.Unsupported, match=r"kvm1 runs Debian.*, which has none of apt-get, dnf, zypper"):
        manager_of(facts, "kvm1")


def said(host: kk.Host, text: str, code: int) -> None:
    """Have a real command say what a package manager would."""
    patiently(Root(host), ["sh", "-c", 'echo "$1" >&2; exit "$2"', "sh", text, str(code)])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("E: Unable to locate package qemu-kvmm", "qemu-kvmm"),
        ("E: Package 'kvm' has no installation candidate", "kvm"),
        ("No match for argument: kvm\nError: Unable to find a match: kvm", "kvm"),
        ('<message type="error">No provider of &apos;kvm&apos; found.</message>', "kvm"),
    ],
)
def test_an_unknown_package_is_told_by_name(here: kk.Host, text: str, name: str) -> None:
    with pytest.raises(kk.NotFound, match=f"no package {name} in the repositories of qemu:///system"):
        said(here, text, 100)


@pytest.mark.parametrize(
    "text",
    [
        "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt-get)",
        "dpkg: error: dpkg frontend lock was locked by another process with pid 7",
        "System management is locked by the application with pid 7 (zypper).",
        "RPM: error: can't create transaction lock on /x/.rpm.lock (Resource temporarily unavailable)",
        "RPMDB already locked by 230\n  The application with PID 230 is: dnf\n    State  : Sleeping",
    ],
)
def test_a_lock_that_stays_is_told(here: kk.Host, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(manager, "LOCK_SECONDS", -1)
    with pytest.raises(kk.Busy, match="another package manager works on qemu:///system"):
        said(here, text, 100)


def test_a_lock_is_waited_for(here: kk.Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(manager, "sleep", lambda _: (tmp_path / "released").touch())
    script = 'test -e "$1" || { echo "E: Could not get lock" >&2; exit 100; }'

    assert patiently(Root(here), ["sh", "-c", script, "sh", f"{tmp_path}/released"]).exit_code == 0


def test_the_first_complaint_is_the_one_that_is_shown(here: kk.Host) -> None:
    text = "E: You don't have enough free space in /var/cache/apt/archives/.\nE: it failed"
    with pytest.raises(
        kk.CommandFailed, match=r"You don't have enough free space in /var/cache/apt/archives/\.$"
    ):
        said(here, text, 100)


def test_what_dpkg_says_in_two_lines_is_told_in_one(here: kk.Host) -> None:
    text = (
        "dpkg: error processing archive x.deb (--unpack):\n cannot copy: No space left on device\nE: failed"
    )
    with pytest.raises(kk.CommandFailed, match=r"x\.deb \(--unpack\): cannot copy: No space left on device$"):
        said(here, text, 100)


def test_a_package_of_a_repository_that_does_not_answer_is_not_called_unknown(here: kk.Host) -> None:
    text = "E: Unable to locate package qemu-utils\nW: Failed to fetch http://localhost:9/InRelease  Refused"
    with pytest.raises(kk.CommandFailed, match=r"Failed to fetch http://localhost:9/InRelease Refused$"):
        said(here, text, 100)


# apt 3.0.4 of Debian 13, asked for packages of a repository on a port where nothing listens.
APT_3 = """Ign:1 http://127.0.0.1:9/debian ./ InRelease
Err:1 http://127.0.0.1:9/debian ./ InRelease
  Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)
  Unable to connect to 127.0.0.1:9:
W: Failed to fetch http://127.0.0.1:9/debian/./InRelease  Unable to connect to 127.0.0.1:9:
W: Some index files failed to download. They have been ignored, or old ones used instead.
E: Unable to locate package qemu-utils
"""


def test_why_apt_3_could_not_connect_is_told_with_where(here: kk.Host) -> None:
    with pytest.raises(kk.CommandFailed) as caught:
        said(here, APT_3, 100)
    assert str(caught.value).endswith(
        "W: Failed to fetch http://127.0.0.1:9/debian/./InRelease Unable to connect to 127.0.0.1:9: "
        "Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)"
    )
