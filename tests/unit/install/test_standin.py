"""The tests' stand-in for Anaconda: what it would obey, and what it refuses by its line."""

from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.install.answers import render
from tests.standin.installer import answers
from tests.standin.installer.say import Refused

BASE = "url --url=http://192.0.2.1/\nrootpw --lock\nclearpart --all\nautopart --type=plain\n"


def read(tmp_path: Path, text: str) -> answers.Answers:
    file = tmp_path / "ks.cfg"
    file.write_text(text)
    return answers.read(file)


def test_what_kvmkit_writes_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {"location": "http://192.0.2.1/tree", "user": "ada", "packages": "less", "post": "true"}
    keys = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHN0YW5kLWlu"
    spec = kk.InstallSpec.model_validate(asked | {"ssh_keys": keys})
    [text] = render("kickstart", spec, "web1", "RHEL9").files.values()
    read_back = read(tmp_path, text)

    assert read_back.end == "reboot"
    assert read_back.commands["url"].url == "http://192.0.2.1/tree"
    assert [key.key for key in read_back.commands["sshkey"].sshUserList] == [keys]
    assert "less" in read_back.packages.packageList
    assert read_back.scripts
    # Said rather than passed over.
    assert "left out: firstboot" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("frobnicate --now", "line 5 of the kickstart file.*Unknown command: frobnicate"),
        ("timezone --frobnicate Europe/Berlin", "line 5 of the kickstart file.*frobnicate"),
        ("nfs --server=192.0.2.2 --dir=/tree", "line 5 of the kickstart file.*does not obey nfs"),
        ("%packages\n@core", "Section %packages does not end with %end"),
    ],
)
def test_what_it_would_not_do_is_refused_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(Refused, match=message):
        read(tmp_path, f"{BASE}{line}\n")
