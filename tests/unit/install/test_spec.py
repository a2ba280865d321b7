"""InstallSpec: what is refused, and that passwords are nowhere."""

from typing import Any

import pytest

from kvmkit.errors import InvalidSpec
from kvmkit.install.spec import InstallSpec

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8eVgUNMs7Zn4s6vCv3nTAlqA5HSzWcHj1cTqb0gVbB ann@desk"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"location": "http://192.168.0.200/rhel9"},
        {"location": "ftp://[fd00::1]:2121/tree"},
        {"location": "/srv/tree"},
        {"ssh_keys": f"{KEY}\n\n{KEY}\n"},
        {"ssh_keys": "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAA="},
        {"network": "192.168.0.9/24 192.168.0.1 192.168.0.1 9.9.9.9"},
        {"network": "fd00::9/64 fd00::1"},
        {"locale": "C.UTF-8", "keyboard": "de-latin1", "timezone": "America/Argentina/Ushuaia"},
        {"packages": "vim-enhanced @development g++ libstdc++6 linux-image-amd64"},
        {"hostname": "web1.example.org", "user": "_ann-1"},
        {"post": "#!/bin/sh\n\techo 'hello'\n"},
    ],
    ids=str,
)
def test_what_is_right_is_taken(fields: dict[str, Any]) -> None:
    assert dict(InstallSpec(**fields)) == dict(InstallSpec()) | fields


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("location", "rhel9", "an http, https or ftp URL, or a folder"),
        ("location", "file:///srv/tree", "an http, https or ftp URL, or a folder"),
        ("location", "http://", "an http, https or ftp URL, or a folder"),
        ("location", "http://a/b inst.ks=http://evil/ks", "an http, https or ftp URL, or a folder"),
        ("ssh_keys", "-----BEGIN OPENSSH PRIVATE KEY-----", "is no public SSH key"),
        ("ssh_keys", f"{KEY}\nno key", "'no key' is no public SSH key"),
        ("network", "192.168.0.9 192.168.0.1", "ADDRESS/PREFIX GATEWAY"),
        ("network", "192.168.0.9/24 10.0.0.1", "the gateway in the address's own network"),
        ("network", "192.168.0.9/24 192.168.0.1 resolver", "ADDRESS/PREFIX GATEWAY"),
        ("user", "Ann", "match pattern"),
        ("user", "ann; reboot", "match pattern"),
        ("hostname", "-web1", "RFC 1123"),
        ("packages", "vim $(reboot)", "'$(reboot)' is no name of a package"),
        ("packages", "-y", "'-y' is no name of a package"),
        ("locale", "en_US; reboot", "match pattern"),
        ("timezone", "../../etc/passwd", "match pattern"),
        ("keyboard", "us\n", "match pattern"),
        ("post", "\x1b[2J", "without control characters"),
        ("kernel_args", "a\nb", "one line"),
        ("timeout", 59, "greater than or equal to 60"),
    ],
)
def test_what_is_wrong_is_named(field: str, value: object, words: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        InstallSpec(**{field: value})

    assert list(refused.value.errors) == [field]
    assert words in refused.value.errors[field]


@pytest.mark.parametrize(
    "fields",
    [
        {"password": "hunter2\n"},
        {"root_password": "hunter2\x07"},
        {"password": b"hunter2"},
        {"location": "http://root:hunter2@192.168.0.200/rhel9"},
        {"location": "http://hunter2@192.168.0.200/rhel9"},
        {"location": "http://h/rhel9?token=hunter2"},
        {"location": "http://h/rhel9?"},
        {"location": "http://h/rhel9#hunter2"},
        {"location": "ftp://h/rhel9;x=y?hunter2"},
        {"location": "http://[h/?hunter2"},
        {"location": "http://h/\x07?hunter2"},
        {"location": "gopher://hunter2@h/"},
        {"kernel_args": "quiet inst.vncpassword=hunter2"},
        {"kernel_args": "passwd/root-password=hunter2"},
        {"kernel_args": "inst.updates=http://h/img?hunter2"},
        {"kernel_args": "inst.ks=https://a:hunter2@h/"},
        {"post": "curl -H 'X: hunter2'\x07"},
    ],
    ids=str,
)
def test_a_secret_that_is_refused_is_not_shown(fields: dict[str, Any]) -> None:
    try:
        taken = InstallSpec(**fields)
    except InvalidSpec as refused:
        assert "hunter2" not in str(refused)  # noqa: PT017 - bytes are text to pydantic, and so fine
    else:
        assert "hunter2" not in repr(taken)


def test_passwords_and_scripts_are_in_no_display_and_no_dump() -> None:
    spec = InstallSpec(**dict.fromkeys(("password", "root_password", "post"), "hunter2"))

    assert "hunter2" not in repr(spec) + str(spec) + spec.model_dump_json() + str(spec.model_dump())
    assert "password" not in spec.model_dump()
    assert spec.password.get_secret_value() == "hunter2"
    assert spec.post == "hunter2"
