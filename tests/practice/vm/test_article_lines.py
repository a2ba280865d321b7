"""The article's two virt-install lines come out of plans with the same meaning, as the docs' table says."""

import re
import shlex
from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.install.arguments import kernel_arguments, virt_install_line
from kvmkit.vm.describe import Disk, describe

PAGE = Path(__file__).resolve().parents[3] / "docs/explanation/install.md"
DISK = Disk("default", "web1.qcow2", "/var/lib/libvirt/images/web1.qcow2", 10 * 2**30, "qcow2")
TREE = "ftp://192.168.0.200/rhel6.4"
LINE = re.compile(r"^virt-install .*?[^\\]$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(-[-\w]+|ks=)` \| (?:`(--[\w-]+)[^`]*`)? ?\| (\w+) \|", re.MULTILINE)


def options(line: str) -> dict[str, str]:
    """Read a line's options with their values, which follow a space or an equals sign."""
    words = shlex.split(line.replace("\\\n", " "))[1:]
    read: dict[str, str] = {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("-"):
            name, equals, value = word.partition("=")
            read.setdefault(name, value if equals else "" if following.startswith("-") else following)
    return read


@pytest.fixture(scope="module")
def article() -> list[dict[str, str]]:
    text = PAGE.read_text(encoding="utf-8").partition("## The article's two lines")[2]
    return [options(line) for line in LINE.findall(text.partition("```\n")[0])]


@pytest.fixture
def plans(host: kk.Host) -> list[dict[str, str]]:
    """Give the lines of the plans; put together from their parts, as the practice host has no br0."""
    spec = kk.VMSpec(name="web1", memory_mib=1024, disk_gib=10, bridge="br0", graphics="none", os="rhel6.4")
    command = describe(host, spec, DISK, "", "kvm").command
    by_hand, unattended = kk.InstallSpec(location=TREE, answers="none"), kk.InstallSpec(location=TREE)
    return [
        options(virt_install_line(command, TREE, kernel_arguments(kind, "initrd", "RHEL6", install), files))
        for kind, install, files in (("none", by_hand, []), ("kickstart", unattended, ["ks.cfg"]))
    ]


def test_the_table_names_every_option_of_the_article(article: list[dict[str, str]]) -> None:
    rows = {old: new for old, new, _ in ROW.findall(PAGE.read_text(encoding="utf-8"))}

    assert len(article) == 2
    assert rows.keys() == {*article[0], *article[1], "ks="}


def test_each_option_is_in_the_plans_line_as_the_table_says(
    article: list[dict[str, str]], plans: list[dict[str, str]]
) -> None:
    for old, new, what in ROW.findall(PAGE.read_text(encoding="utf-8")):
        assert what == "dropped" if not new else what in ("kept", "renamed", "replaced")
        assert not new or new in plans[1], f"{old} is {new} in the table, and not in the plan's line"
        assert old not in plans[1] or old == new


def test_the_values_mean_the_same(article: list[dict[str, str]], plans: list[dict[str, str]]) -> None:
    told = plans[1]

    assert told["--graphics"] == "none"
    assert told["--name"] == "web1"
    assert told["--osinfo"] == "rhel6.4"
    assert article[1]["--os-variant"] == "rhel6"
    assert told["--memory"] == "1024"
    assert told["--vcpus"] == article[1]["--vcpus"] == "1"
    assert told["--disk"] == f"path={DISK.path},size=10,format=qcow2"
    assert told["--network"] == article[1]["-w"] == "bridge=br0"
    assert told["--location"] == article[1]["-l"] == TREE
    assert told["--initrd-inject"] == "ks.cfg"


def test_the_installers_kernel_is_told_the_same(
    article: list[dict[str, str]], plans: list[dict[str, str]]
) -> None:
    by_hand, unattended = (set(plan["--extra-args"].split()) for plan in plans)

    assert by_hand == {
        f"method={TREE}",
        *article[0]["-x"].split(),
    }  # the tree's own, virt-install adds it, too
    assert unattended == {f"method={TREE}", "ks=file:/ks.cfg", "console=ttyS0"}
    assert article[1]["-x"].split() == [f"ks={TREE}.ks", "console=ttyS0"]


def test_ones_own_kickstart_on_a_server_stays_possible() -> None:
    words = f"ks={TREE}.ks console=ttyS0"
    install = kk.InstallSpec(location=TREE, answers="none", kernel_args=words)

    assert kernel_arguments("none", "initrd", "RHEL6", install) == f"method={TREE} {words}"
