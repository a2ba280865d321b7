"""Passwords and their hashes are where they have to be, and nowhere else."""

import shutil
import subprocess
import sysconfig
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from plumbum import local
from pydantic import SecretStr

import kvmkit as kk
from kvmkit.install.answers import Kind, render
from kvmkit.install.answers.secret import hash_password
from kvmkit.install.spec import InstallSpec

PLAIN = "correct $(horse) 'é 名"
SPY = """#!/bin/sh
# Writes down what others could see of it, then is what it stands for.
cat /proc/$$/cmdline /proc/$$/environ >>{log}
exec {real} "$@"
"""


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the file of what can be seen of each openssl and ksvalidator while it runs."""
    places = sysconfig.get_path("scripts")
    log, spies = tmp_path / "seen", tmp_path / "bin"
    spies.mkdir()
    for name in ("openssl", "ksvalidator"):
        real = shutil.which(name, path=places) or shutil.which(name)
        (spies / name).write_text(SPY.format(log=log, real=real))
        (spies / name).chmod(0o755)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(spies))
    with local.env(PATH=f"{spies}:{local.env['PATH']}"):
        yield log


@pytest.mark.parametrize("kind", ["kickstart", "preseed", "autoinstall", "cloud-init"])
def test_a_password_is_seen_nowhere(
    kind: Kind, seen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.setenv("TMPDIR", str(scratch))
    spec = InstallSpec(
        user="ann",
        password=PLAIN,
        root_password=f"{PLAIN}2",
        location="http://127.0.0.1/tree",
        post="TOKEN=hunter2",
    )
    answers = render(kind, spec, "web1", "RHEL9")
    hashes = [word.strip("'\"") for word in "".join(answers.files.values()).replace("=", " ").split()]
    hashes = [word for word in hashes if word.startswith("$6$")]
    assert len(set(hashes)) == 2
    watched = seen.read_text()
    assert watched.count("openssl\0passwd\0-6\0-stdin") == 2
    assert watched.count("ksvalidator\0-v\0RHEL9") == (kind == "kickstart")
    elsewhere = [
        watched,
        repr(answers),
        str(answers.shown),
        repr(spec),
        spec.model_dump_json(),
        *capfd.readouterr(),
    ]
    for secret in (PLAIN, *hashes, "hunter2", b64encode(b"TOKEN=hunter2").decode()):
        assert not any(secret in text for text in elsewhere)
    assert list(scratch.iterdir()) == []


def test_a_hash_is_what_crypt_makes_of_the_password() -> None:
    hashed = hash_password(SecretStr(PLAIN)).get_secret_value()
    salt = hashed.split("$")[2]
    again = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", salt, "-stdin"],
        input=PLAIN,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()
    assert again == hashed
    assert hashed != hash_password(SecretStr(PLAIN)).get_secret_value()
    assert hash_password(SecretStr("")).get_secret_value() == ""


def test_a_password_that_openssl_would_cut_is_refused() -> None:
    assert hash_password(SecretStr("x" * 256)) != hash_password(SecretStr("x" * 255))
    with pytest.raises(
        kk.InvalidSpec, match="root_password: a password is one line of at most 256 bytes"
    ) as error:
        hash_password(SecretStr("é" * 129), "root_password")
    assert "éé" not in str(error.value)


def test_without_openssl_there_is_an_error_without_the_password() -> None:
    with (
        local.env(PATH="/nowhere"),
        pytest.raises(kk.CommandFailed, match="openssl: command not found") as error,
    ):
        hash_password(SecretStr(PLAIN))
    assert "horse" not in str(vars(error.value))
