"""Files of one's own: what is wrong with them is named by its line, and no value of theirs is shown."""

import os
import socket
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest
from plumbum import local

import kvmkit as kk
from kvmkit.install.answers import Answers, Kind, render
from kvmkit.install.answers.kickstart import HOOK
from kvmkit.install.spec import InstallSpec

WRONG: list[tuple[Kind, str, str]] = [
    ("kickstart", "lang en_US\n\nkeybord us\n", "line 3: Unknown command: keybord"),
    (
        "kickstart",
        "lang en_US\nuser --name=ann --passwd=hunter2\n",
        "line 2: unrecognized arguments: --passwd=…",
    ),
    ("kickstart", "rootpw hunter2 hunter2\n", "line 1: "),
    ("kickstart", "lang en_US\nrootpw 'hunter2\n", "line 2: a quotation mark is left open"),
    ("kickstart", "%post\necho 'it\n%end\nrootpw \"hunter2\n", "line 4: a quotation mark is left open"),
    ("kickstart", "lang en_US\n%post\necho hunter2\n", "line 3: Section %post does not end with %end."),
    ("kickstart", "%bad\n%end\n", "line 1: Unknown kickstart section: %bad"),
    ("preseed", "# x\nd-i a/b string x\nd-i hunter2\n", "line 3: an answer is OWNER QUESTION TYPE"),
    (
        "preseed",
        "d-i a/b string x\\\n y\\\n z\nd-i c/d strin hunter2\n",
        "line 4: the third word of an answer",
    ),
    ("cloud-init", "hostname: x\n", "line 1: user-data begins with #cloud-config"),
    ("cloud-init", "#cloud-config\nhostname: x\npassword: hunter2: x\n", "line 3: not YAML: "),
    ("cloud-init", "#cloud-config\na: hunter2\nb: \0\n", "line 3: not YAML: "),
    ("cloud-init", "#cloud-config\n- hunter2\n", "line 2: what follows is KEY: VALUE"),
    ("autoinstall", "autoinstall:\n", "line 1: user-data begins with #cloud-config"),
    ("autoinstall", "#cloud-config\nautoinstall: [hunter2\n", "line 3: not YAML: "),
    ("autoinstall", "#cloud-config\na: 1\nautoinstall: hunter2\n", "line 3: there is no section autoinstall"),
    (
        "autoinstall",
        "#cloud-config\nautoinstall:\n  version: 2\n  identity: {}\n",
        "line 3: autoinstall needs ver",
    ),
    ("autoinstall", "#cloud-config\nautoinstall:\n  version: 1\n", "line 2: autoinstall needs identity or"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers"


def taken(path: Path, kind: Kind, text: str, release: str = "") -> Answers:
    path.write_text(text)
    return render(kind, InstallSpec(answers_file=str(path)), "web1", release)


@pytest.mark.parametrize(("kind", "text", "said"), WRONG)
def test_a_wrong_line_is_named_and_none_of_its_values(kind: Kind, text: str, said: str, path: Path) -> None:
    with pytest.raises(kk.InvalidSpec) as caught:
        taken(path, kind, text, "RHEL9")
    assert caught.value.errors["answers_file"].startswith(said)
    assert "hunter2" not in str(caught.value)


def test_every_wrong_line_is_named(path: Path) -> None:
    with pytest.raises(kk.InvalidSpec, match=r"line 1: Unknown command: a; line 2: Unknown command: b"):
        taken(path, "kickstart", "a\nb\n", "F40")


def test_what_is_right_in_one_release_is_wrong_in_another(path: Path) -> None:
    sshkey = "sshkey --username=root 'ssh-rsa AAAA'\n"
    assert taken(path, "kickstart", sshkey, "RHEL8").notes == ()
    with pytest.raises(kk.InvalidSpec, match="line 1: Unknown command: sshkey"):
        taken(path, "kickstart", sshkey, "RHEL6")


# Deprecated, each in a way of its own: by an option, a command, a section, and what is defined twice.
DEPRECATED = [
    ("timezone UTC --isUtc", "RHEL9", "line 2: The option --isUtc will be deprecated"),
    ("logging --level=info", "RHEL9", "line 2: Ignoring deprecated option"),
    ("authconfig --enableshadow", "RHEL8", "line 2: The authconfig command will be deprecated"),
    ("%packages --excludeWeakdeps\n%end", "RHEL9", "line 2: The --excludeWeakdeps option"),
    ("%traceback\nhunter2\n%end", "RHEL9", "line 2: The %traceback section has been deprecated"),
    ("sshkey --username=a 'ssh-rsa AA'\nsshkey --username=a 'ssh-rsa AB'", "RHEL9", "line 3: An ssh user"),
]


@pytest.mark.parametrize(("line", "release", "said"), DEPRECATED)
def test_what_anaconda_warns_of_is_a_note_and_hides_no_mistake(
    line: str, release: str, said: str, path: Path
) -> None:
    text = f"lang en_US\n{line}\n"
    (note,) = taken(path, "kickstart", text, release).notes
    assert note.startswith(said)
    number = text.count("\n") + 1
    with pytest.raises(kk.InvalidSpec, match=f"answers_file: line {number}: Unknown command: keybord"):
        taken(path, "kickstart", f"{text}keybord us\n", release)


def test_a_mistake_is_seen_beside_what_is_deprecated_and_before_an_open_quotation_mark(path: Path) -> None:
    with pytest.raises(kk.InvalidSpec, match=r"line 1: unrecognized arguments: --hots=…$"):
        taken(path, "kickstart", "logging --level=info --hots=hunter2\n", "RHEL9")
    with pytest.raises(
        kk.InvalidSpec, match=r"line 1: argument --uid: .*'…'; line 2: a quotation mark is left open$"
    ):
        taken(path, "kickstart", "user --name=a --uid=hunter2\nrootpw 'x\n", "RHEL9")
    with pytest.raises(kk.InvalidSpec, match="answers_file: line 1: it is empty"):
        taken(path, "kickstart", " \n", "RHEL9")


@pytest.mark.parametrize("before", ["", "%post\n  "])
def test_no_server_is_asked_for_what_a_kickstart_appends(before: str, path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/ks"
        after = "\n%end" if before else ""
        text = f"{before}%ksappend {url}{after}\n"
        (note,) = taken(path, "kickstart", text, "RHEL9").notes
        with pytest.raises(BlockingIOError):  # nobody has come
            server.accept()
    assert note == f"line {1 + before.count(chr(10))}: what is appended there is not checked"
    assert path.read_text() == text  # Anaconda gets it as it is


def test_killed_while_it_reads_ksvalidator_leaves_no_copy(tmp_path: Path) -> None:
    fifo, scratch = tmp_path / "fifo", tmp_path / "scratch"
    os.mkfifo(fifo)
    scratch.mkdir()
    program = [str(Path(sysconfig.get_path("scripts"), "ksvalidator")), "/dev/stdin"]
    settings = {"PYTHONPATH": str(HOOK), "TMPDIR": str(scratch)}
    with (
        fifo.open("r+b", buffering=0),  # nobody writes into it, so that ksvalidator waits there
        subprocess.Popen(program, env=settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
    ):
        assert process.stdin
        process.stdin.write(f"rootpw --iscrypted $6$hunter2\n%ksappend {fifo}\n".encode())
        process.stdin.close()
        deadline = time.monotonic() + 90
        while not (copies := list(scratch.glob("*/ks.cfg"))) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    assert len(copies) == 1
    assert not copies[0].exists()  # a link to what went with its process


def test_what_is_not_checked_is_said(path: Path) -> None:
    text = "#cloud-config\nautoinstall:\n  version: 1\n  identity: {}\n  pakages: [x]\n"
    doubtful, unchecked = taken(path, "autoinstall", text).notes
    assert doubtful == "line 5: Ubuntu's installer ignores 'pakages'"
    assert "not held against Ubuntu's own schema" in unchecked
    assert "not checked" in taken(path, "cloud-init", "#!/bin/sh\ntrue\n").notes[0]
    # Where it is installed it says what it thinks: the tests of a root with cloud-init.
    with local.env(PATH="/nowhere"):
        (note,) = taken(path, "cloud-init", "#cloud-config\nhostname: x\n").notes
    assert "cloud-init is not installed here" in note


def test_a_file_is_delivered_as_it_is_and_not_shown(path: Path) -> None:
    answers = taken(path, "kickstart", "rootpw hunter2\n%include /tmp/of-pre\n", "RHEL9")
    assert answers.files == {"ks.cfg": "rootpw hunter2\n%include /tmp/of-pre\n"}
    assert "hunter2" not in repr(answers) + str(answers.shown)
    assert str(path) in answers.shown["ks.cfg"]


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(kk.InvalidSpec, match=r"answers_file: .*No such file"):
        render("preseed", InstallSpec(answers_file=str(tmp_path / "none")), "web1")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(kk.InvalidSpec, match=r"answers_file: .*no text"):
        render("preseed", InstallSpec(answers_file=str(tmp_path / "binary")), "web1")
    (tmp_path / "large").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(kk.InvalidSpec, match=r"answers_file: .*larger than 1 MiB"):
        render("preseed", InstallSpec(answers_file=str(tmp_path / "large")), "web1")
    for path in ("/dev/zero", "/dev/stdin", str(tmp_path)):
        with pytest.raises(kk.InvalidSpec, match=r"answers_file: .*no file"):
            render("preseed", InstallSpec(answers_file=path), "web1")


LAUGHS = "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
MERGES = "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 60))
BOMBS = [
    (f"a0: &a0 [x]\n{LAUGHS}", "line 18: not YAML: it has more than 100000 parts"),
    (f"a0: &a0 {{x: y}}\n{MERGES}", "line 17: not YAML: it has more than 100000 parts"),
    ("a: &a [*a]\n", "line 2: not YAML: it is a part of itself"),
    ("a: &a {b: {c: *a}}\n", "line 2: not YAML: it is a part of itself"),
    ("a: " + "[" * 100_000, "line 1: not YAML that can be read: it is nested too deeply"),
    ("- " * 100_000, "line 1: not YAML that can be read: it is nested too deeply"),
    ("a: 1" + ":1" * 300_000, "line 2: not YAML: the value is too long"),
    ("a: !!int 1" + ":1" * 300_000, "line 2: not YAML: the value is too long"),
    ("a: 2001-99-99\n", "line 1: not YAML that can be read: a value is not of the kind"),
    ("a: !!bool x\n", "line 1: not YAML that can be read: a value is not of the kind"),
]


@pytest.mark.parametrize("kind", ["cloud-init", "autoinstall"])
@pytest.mark.parametrize(("text", "said"), BOMBS)
def test_yaml_means_no_more_than_can_be_read(kind: Kind, text: str, said: str, path: Path) -> None:
    with pytest.raises(kk.InvalidSpec) as caught:
        taken(path, kind, f"#cloud-config\n{text}")
    assert caught.value.errors["answers_file"].startswith(said)


@pytest.mark.parametrize(
    "head", ["#cloud-config ", "#cloud-config\t", "\n#cloud-config", "#Cloud-Config", "#cloud-config\r"]
)
def test_user_data_begins_as_cloud_init_takes_it(head: str, path: Path) -> None:
    with local.env(PATH="/nowhere"):
        (note,) = taken(path, "cloud-init", f"{head}\nhostname: x\n").notes
    assert "cloud-init is not installed here" in note
    taken(path, "autoinstall", f"{head}\nautoinstall:\n  version: 1\n  identity: {{}}\n")


def test_user_data_of_other_kinds_is_not_taken_for_a_cloud_config(path: Path) -> None:
    for head in ("#cloud-config-archive", "#cloud-config-jsonp", "#Include"):
        assert "of another kind" in taken(path, "cloud-init", f"{head}\n- x\n").notes[0]
    with pytest.raises(kk.InvalidSpec, match="line 1: user-data begins with #cloud-config"):
        taken(path, "cloud-init", "#cloud-configuration\na: b\n")


def test_yaml_may_have_aliases(path: Path) -> None:
    text = "#cloud-config\nautoinstall:\n  version: 1\n  identity: &i {}\n  oem: *i\n"
    (note,) = taken(path, "autoinstall", text).notes
    assert "schema" in note
