"""What is missing is planned, and what was added is removed again: no more, no less, and not over VMs.

The package manager is one in memory here: a real one would install onto the machine that runs the tests.
"""

from collections.abc import Callable, Sequence

import pytest

import kvmkit as kk
from kvmkit.check.facts import Facts
from kvmkit.check.packages import missing_packages
from kvmkit.prepare import packages
from kvmkit.prepare.apt import apt_change
from kvmkit.prepare.manager import Change
from kvmkit.prepare.managers import MANAGERS
from kvmkit.prepare.packages import _plan
from kvmkit.prepare.root import Root

STACK = ["qemu-system-x86", "qemu-utils", "libvirt-daemon-system", "libvirt-clients", "dnsmasq-base"]


class InMemory:
    """A package manager whose host is a set of names; ``half`` of an installation is done, then it fails."""

    install = ("true",)

    def __init__(self) -> None:
        self.there = {"base"}
        self.config: set[str] = set()
        self.needs: dict[str, str] = {}
        self.did: list[str] = []
        self.fails = False

    def simulate(self, root: Root, names: Sequence[str]) -> Change:
        return Change(dict.fromkeys(names, "1"))

    def simulate_removal(self, root: Root, names: Sequence[str]) -> Change:
        needing = {name for name, needed in self.needs.items() if needed in names and name in self.there}
        return Change(removed=dict.fromkeys([*names, *needing], "1"))

    def fetch(self, root: Root, names: Sequence[str]) -> None:
        self.did.append("fetch")

    def repair(self, root: Root) -> None:
        self.did.append("repair")

    def remove(self, root: Root, names: Sequence[str]) -> None:
        self.there -= set(names)
        self.config -= set(names)
        self.did.append("remove")

    def present(self, root: Root, names: Sequence[str], *, whole: bool) -> set[str]:
        return (self.there if whole else self.there | self.config) & set(names)


@pytest.fixture
def apt(here: kk.Host, monkeypatch: pytest.MonkeyPatch) -> InMemory:
    apt = InMemory()

    def install(root: Root, argv: Sequence[str]) -> None:
        apt.did.append("install")
        names = list(argv[1:])
        apt.there |= set(names[:1] if apt.fails else names)
        if apt.fails:
            apt.config |= set(names[1:])
            raise kk.CommandFailed(argv, 100, "", "E: no space left on device", root.host.uri)

    monkeypatch.setitem(MANAGERS, "apt-get", apt)
    monkeypatch.setattr(packages, "as_root", Root)
    monkeypatch.setattr(packages, "patiently", install)
    return apt


def plan(*names: str) -> kk.Plan:
    return _plan("qemu:///system", "apt-get", list(names), Change(dict.fromkeys(names, "1")))


@pytest.mark.parametrize(
    ("capture", "names"),
    [
        ("debian12-bare", STACK),
        ("debian12", []),
        ("rhel9", []),
        ("opensuse", ["qemu-x86", "libvirt-daemon-qemu", "dnsmasq"]),
    ],
)
def test_what_is_missing_goes_by_the_host(
    read_capture: Callable[[str], Facts], capture: str, names: list[str]
) -> None:
    assert missing_packages(read_capture(capture), local=False) == names


def test_virt_install_is_needed_where_runbooks_run(read_capture: Callable[[str], Facts]) -> None:
    assert missing_packages(read_capture("debian12-bare"), local=True) == [*STACK, "virtinst"]


def test_the_plan_names_every_package_that_is_added(recorded: Callable[[str], str]) -> None:
    change = apt_change(recorded("apt-install.txt"))
    shown = _plan("kvm1", "apt-get", ["dnsmasq-base", "qemu-utils"], change).shown
    (title,) = (title for title in shown if title.endswith("that are added"))

    assert title == f"The {len(change.added)} packages that are added"
    assert shown[title].splitlines() == [
        f"{name} {version}" for name, version in sorted(change.added.items())
    ]
    assert "--no-install-recommends" in shown["The command it stands for"]


def test_what_another_package_provides_already_is_not_planned() -> None:
    assert _plan("kvm1", "dnf", ["vim"], Change()).empty


def test_a_single_package_is_spoken_of_as_one() -> None:
    plan = _plan("kvm1", "apt-get", ["qemu-utils"], Change({"qemu-utils": "1"}))

    assert [step.title for step in plan.steps] == ["download 1 package", "install qemu-utils"]
    assert plan.steps[1].undo == "remove the 1 package that was added"
    assert plan.shown["The 1 package that is added"] == "qemu-utils 1"


def test_an_installation_that_removes_something_is_refused() -> None:
    with pytest.raises(kk.Conflict, match="would remove docker-old"):
        _plan("kvm1", "dnf", ["qemu-kvm"], Change({"qemu-kvm": "8"}, removed={"docker-old": "1"}))


def test_what_undo_does_not_take_back_is_said() -> None:
    change = Change({"qemu-kvm": "8"}, upgraded={"glib2": "2.56"}, streams=("virt:rhel",))
    notes = _plan("kvm1", "dnf", ["qemu-kvm"], change).notes

    assert "upgraded along the way, and not taken back by undo: glib2 2.56" in notes
    assert "enables the module streams virt:rhel, which undo leaves enabled" in notes


def test_packages_are_downloaded_then_installed_and_removed_again(apt: InMemory) -> None:
    report = kk.apply(plan("a", "b"))

    assert apt.there == {"base", "a", "b"}
    assert apt.did == ["fetch", "repair", "install"]
    kk.undo(report)
    assert apt.there == {"base"}


def test_after_a_failure_half_way_all_is_as_before(apt: InMemory) -> None:
    apt.fails = True
    with pytest.raises(kk.ApplyFailed, match=r"no space left on device.*the host is as before"):
        kk.apply(plan("a", "b"))

    assert (apt.there, apt.config) == ({"base"}, set())


def test_undo_leaves_what_somebody_removed_since(apt: InMemory) -> None:
    report = kk.apply(plan("a", "b"))
    apt.there.remove("a")
    kk.undo(report)

    assert apt.there == {"base"}


def test_undo_is_refused_when_something_came_to_need_it(apt: InMemory) -> None:
    report = kk.apply(plan("a", "b"))
    apt.there.add("later")
    apt.needs["later"] = "a"
    with pytest.raises(kk.ApplyFailed, match="later on qemu:///system came later and needs"):
        kk.undo(report)

    assert apt.there == {"base", "a", "b", "later"}


def test_what_came_since_planning_is_not_ours(apt: InMemory) -> None:
    planned = plan("a", "b")
    apt.there.add("a")
    with pytest.raises(kk.ApplyFailed, match="a came to qemu:///system since planning; plan again"):
        kk.apply(planned)

    assert apt.there == {"base", "a"}


def test_undo_is_refused_while_vms_run(apt: InMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    def running(host: kk.Host) -> None:
        raise kk.Conflict("VMs run")

    report = kk.apply(plan("qemu-utils"))
    monkeypatch.setattr(packages, "refuse_while_vms_run", running)
    with pytest.raises(kk.ApplyFailed, match="VMs run"):
        kk.undo(report)

    assert "qemu-utils" in apt.there


@pytest.mark.parametrize("name", ["", "-y", "a b", "a;b", "--root=/", "a\n", "../x", "é"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(kk.InvalidSpec, match="is not the name of a package"):
        kk.plan_packages(kk.connect("test:///default"), [name])


def test_on_the_practice_host_it_is_planned_and_rehearsed() -> None:
    host = kk.connect("test:///default")
    planned = kk.plan_packages(host, ["htop"])

    assert "rehearsed: what else these packages need is not known here" in planned.notes
    assert kk.apply(planned).frame["status"].tolist() == ["SKIP", "SKIP"]
