"""qemu.conf: what may be asked for, what it costs, and that the daemon reads it after change and undo."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvmkit as kk
from kvmkit.check.facts import Facts
from kvmkit.practice import recorded as kept
from kvmkit.prepare import qemu_conf, service
from kvmkit.prepare.qemu_conf import _plan

CONF = kept("practice-qemu.conf").encode()
EVERYBODY = "0.0.0.0"  # noqa: S104 - what the article has, and nothing here listens
ARTICLE = kk.QemuConfSpec(vnc_listen=EVERYBODY, user="root", group="root", dynamic_ownership="0")


def test_the_articles_lines_are_shown_as_a_diff_with_what_they_cost(
    read_capture: Callable[[str], Facts],
) -> None:
    plan = _plan("kvm1", ARTICLE, read_capture("debian12"), CONF)
    diff = plan.shown["/etc/libvirt/qemu.conf"].splitlines()

    assert [line for line in diff if line.startswith("+") and "+++" not in line] == [
        '+vnc_listen = "0.0.0.0"',
        '+user = "root"',
        '+group = "root"',
        "+dynamic_ownership = 0",
    ]
    assert [note.split(":")[0] for note in plan.notes].count("WARNING") == 2
    assert [step.action for step in plan.steps] == ["qemu-conf-edit", "service-restart"]
    assert plan.steps[1].args == {"units": ["libvirtd.service"]}


def test_the_daemon_that_runs_is_restarted(read_capture: Callable[[str], Facts]) -> None:
    spec = kk.QemuConfSpec(other="max_processes = 4096")

    assert _plan("kvm1", spec, read_capture("rhel9"), CONF).steps[-1].args == {"units": ["virtqemud.service"]}
    assert len(_plan("kvm1", spec, read_capture("debian12-bare"), CONF).steps) == 1


def test_what_is_set_already_needs_nothing() -> None:
    conf = CONF.replace(b"#dynamic_ownership", b"dynamic_ownership")

    assert _plan("kvm1", kk.QemuConfSpec(dynamic_ownership="1"), Facts(), conf).empty
    assert _plan("kvm1", kk.QemuConfSpec(), Facts(), conf).empty


def test_back_to_the_default() -> None:
    conf = CONF.replace(b"#user", b"user").replace(b"#group", b"group")
    plan = _plan("kvm1", kk.QemuConfSpec(unset="user group"), Facts(), conf)

    assert '+#user = "libvirt-qemu"' in plan.shown["/etc/libvirt/qemu.conf"]
    assert plan.steps[0].title == "edit /etc/libvirt/qemu.conf: user not set, group not set"


def test_a_setting_that_the_file_does_not_know_is_pointed_out() -> None:
    plan = _plan("kvm1", kk.QemuConfSpec(other="vnc_lisen = '127.0.0.1'"), Facts(), CONF)

    assert any(note.startswith("vnc_lisen is not among the settings") for note in plan.notes)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"vnc_listen": "kvm1"}, "vnc_listen"),
        ({"vnc_listen": '0.0.0.0"\nuser = "root'}, "vnc_listen"),
        ({"user": 'a"b'}, "user"),
        ({"user": "-x"}, "user"),
        ({"group": "a b"}, "group"),
        ({"dynamic_ownership": "yes"}, "dynamic_ownership"),
        ({"other": "max_processes"}, "other"),
        ({"other": 'a = "x\ny"'}, "other"),
        ({"other": "a = 1; a = 2"}, "other"),
        ({"other": "a = $(id)"}, "other"),
        ({"other": 'vnc_password = "x"'}, "other"),
        ({"unset": "a;b"}, "unset"),
        ({"user": "root", "unset": "user"}, "spec"),
        ({"user": "root", "other": 'user = "x"'}, "spec"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(kk.InvalidSpec) as caught:
        kk.QemuConfSpec(**fields)

    assert list(caught.value.errors) == [field]


VALUES = ["1", "-2", '"x y"', "'z'", "[1, 2]", "1\n2", '"\n"', '"\t"', "1 # why", '"']
SETTINGS = st.builds(
    "{}{}{}".format, st.sampled_from("abc"), st.sampled_from(["=", " = ", "\n="]), st.sampled_from(VALUES)
)


@given(st.lists(SETTINGS, max_size=3).map(";".join))
def test_whatever_is_asked_for_each_setting_stays_one_line(text: str) -> None:
    try:
        lines = kk.QemuConfSpec(other=text).lines
    except kk.InvalidSpec:
        return

    assert all(line.isprintable() and line.startswith(f"{key} = ") for key, line in lines.items())


def test_the_daemon_reads_the_file_after_each_change_and_after_undo(
    here: kk.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_capture: Callable[[str], Facts]
) -> None:
    conf = tmp_path / "qemu.conf"
    conf.write_bytes(CONF)
    read: list[bytes] = []
    monkeypatch.setattr(qemu_conf, "PATH", str(conf))
    # A real restart would be of this machine's libvirt.
    for module in (qemu_conf, service):
        monkeypatch.setattr(module, "restart", lambda host, units: read.append(conf.read_bytes()))
    report = kk.apply(_plan(here.uri, ARTICLE, read_capture("debian12"), CONF))

    assert b'\nuser = "root"\n' in conf.read_bytes()
    kk.undo(report)
    assert conf.read_bytes() == CONF
    assert len(read) == 2
    assert read[0] != read[1] == CONF


def test_a_session_does_not_use_the_file() -> None:
    with pytest.raises(kk.Unsupported, match=r"does not use /etc/libvirt/qemu\.conf"):
        kk.plan_qemu_conf(kk.connect("qemu:///session"), ARTICLE)


def test_on_the_practice_host_it_is_planned_and_rehearsed() -> None:
    planned = kk.plan_qemu_conf(kk.connect("test:///default"), ARTICLE)

    assert kk.apply(planned).frame["status"].tolist() == ["SKIP", "SKIP"]
