"""Files of one's own: what is wrong with them is named by its line, and no value of theirs is shown."""

from pathlib import Path

import pytest
from plumbum import local

import kvmkit as kk
from kvmkit.install.answers import Answers, Kind, render
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
