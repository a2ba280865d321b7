"""connect() takes the URIs that it can use and refuses the others; a host that does not answer is told so."""

import subprocess
import sys
import threading
from pathlib import Path

import libvirt
import pytest

import kvmkit as kk
from kvmkit import host as module
from kvmkit.calls import Calls
from kvmkit.commands import Local, Ssh

KEY = "qemu+ssh://root@kvm1:2222/system?keyfile=/keys/kvm&command=/opt/ssh"


@pytest.mark.parametrize("uri", ["qemu:///system", "qemu:///session", "qemu+unix:///system"])
def test_a_local_uri_runs_commands_here(uri: str) -> None:
    host = kk.connect(uri)

    assert host._runner == Local(uri)
    assert (host.practice, host.ssh) == (None, None)
    assert host.is_session == uri.endswith("/session")


@pytest.mark.parametrize(
    ("uri", "target", "port", "keyfile", "command"),
    [
        ("qemu+ssh://kvm1/system", "kvm1", 0, "", "ssh"),
        ("qemu+ssh://root@kvm1.example.org/system", "root@kvm1.example.org", 0, "", "ssh"),
        ("qemu+ssh://root@192.0.2.7:22/session", "root@192.0.2.7", 22, "", "ssh"),
        ("qemu+ssh://root@[2001:db8::7]:22/system", "root@2001:db8::7", 22, "", "ssh"),
        (KEY, "root@kvm1", 2222, "/keys/kvm", "/opt/ssh"),
        ("qemu+ssh://kvm1/system?no_verify=0", "kvm1", 0, "", "ssh"),
        ("qemu+ssh://ann%40corp.example@kvm1/system", "ann@corp.example@kvm1", 0, "", "ssh"),
        ("qemu+ssh://CORP%5Cann@kvm1/system", "CORP\\ann@kvm1", 0, "", "ssh"),
        ("qemu+ssh://kvm1/system?KeyFile=/a%20b;Command=/c%2Bd", "kvm1", 0, "/a b", "/c+d"),
    ],
)
def test_an_ssh_uri_runs_commands_there(uri: str, target: str, port: int, keyfile: str, command: str) -> None:
    assert kk.connect(uri).ssh == Ssh(uri, target, port, keyfile, command)


@pytest.mark.parametrize(
    "uri",
    [
        *("", "qemu", "/system", "qemu:///", "qemu:///other", "qemu:///system/", "qemu://kvm1/system"),
        *("qemu+tls://kvm1/system", "qemu+tcp://kvm1/system", "xen:///system", "vmware://esx1", "test:///x"),
        *("qemu+ssh:///system", "qemu+ssh://root@/system", "qemu+ssh://kvm1", "qemu+ssh://kvm1:0x16/system"),
        *("qemu+ssh://kvm1:99999/system", "qemu+ssh://[::1/system", "qemu+ssh://kvm 1/system"),
        *("qemu+ssh://kvm1;id/system", "qemu+ssh://$(id)/system", "qemu+ssh://%2doProxyCommand=id/system"),
        *("qemu:///system\n", "qemu+ssh://kvm1\n/system", "qemu:///system\0", "\ud800"),
    ],
)
def test_another_uri_is_refused_with_those_that_can_be_used(uri: str) -> None:
    with pytest.raises(kk.InvalidURI, match="qemu:///system") as caught:
        kk.connect(uri)

    assert repr(uri) in str(caught.value)
    assert uri not in module._hosts


@pytest.mark.parametrize("name", ["-oProxyCommand=id", "-oProxyCommand=id@kvm1", "root@-oProxyCommand=id"])
def test_a_name_that_ssh_would_take_for_an_option_is_refused(name: str) -> None:
    with pytest.raises(kk.InvalidURI):
        kk.connect(f"qemu+ssh://{name}/system")


@pytest.mark.parametrize("uri", ["qemu+ssh://root:hunter2@[kvm1/system", "qemu+ssh://root:a@b/hunter2 @kvm1"])
def test_a_password_in_what_is_no_uri_is_not_repeated(uri: str) -> None:
    with pytest.raises(kk.InvalidURI, match=r"root:…@\[?kvm1.* is not a URI") as caught:
        kk.connect(uri)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "uri", ["qemu+ssh://root:hunter2@kvm1/system", "qemu+ssh://root:hunter2@kvm1:x/system"]
)
def test_a_password_in_a_uri_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(kk.InvalidURI, match="password") as caught:
        kk.connect(uri)

    assert "hunter2" not in str(caught.value)


def test_host_keys_are_always_verified() -> None:
    with pytest.raises(kk.InvalidURI, match="known_hosts"):
        kk.connect("qemu+ssh://root@kvm1/system?no_verify=1")


@pytest.mark.parametrize(
    "query",
    [
        *("NO_VERIFY=1", "No_Verify=1", "no%5fverify=1", "keyfile=/k;no_verify=1", "keyfile=/k&NO_VERIFY=2"),
        *(
            "no_verify=0&no_verify=1",
            "socket=/run/x",
            "name=xen:///",
            "netcat=nc",
            "proxy=netcat",
            "sshauth=none",
        ),
        *(
            "known_hosts_verify=ignore",
            "keyfile=/a&KEYFILE=/b",
            "authfile=/a",
            "pkipath=/a",
            "x",
            "command=a#no",
        ),
    ],
)
def test_what_only_libvirt_would_see_in_a_uri_is_refused(query: str) -> None:
    with pytest.raises(kk.InvalidURI):
        kk.connect(f"qemu+ssh://root@kvm1/system?{query}")


@pytest.mark.parametrize("user", ["a;id", "a%20b", "$(id)", "%2dl", "-l", "a%0ab", "a%22", "%00", "ann%2fb"])
def test_a_user_that_is_none_is_refused(user: str) -> None:
    with pytest.raises(kk.InvalidURI):
        kk.connect(f"qemu+ssh://{user}@kvm1/system")


def test_libvirts_own_ssh_goes_the_same_way_and_asks_nothing() -> None:
    assert module._libvirt_uri(KEY) == f"{KEY}&no_tty=1"
    assert module._libvirt_uri("qemu:///system") == "qemu:///system"


def test_the_same_uri_is_the_same_host() -> None:
    assert kk.connect("qemu:///system") is kk.connect("qemu:///system")
    assert kk.connect("qemu:///system") is not kk.connect("qemu:///session")


def test_the_practice_host_runs_no_commands() -> None:
    with pytest.raises(kk.Unsupported, match=r"uname needs a real host, such as .*qemu:///system"):
        kk.connect("test:///default").run(["uname"])


def test_a_command_of_a_host_that_fails_carries_the_host(tmp_path: Path) -> None:
    host = kk.Host("qemu:///session")
    with pytest.raises(kk.CommandFailed) as caught:
        host.run(["ls", str(tmp_path / "missing")])

    assert caught.value.host == "qemu:///session"
    assert host.run(["ls", str(tmp_path / "missing")], ok=False).exit_code == caught.value.exit_code


def nobody_answers(name: str) -> str:
    """Name a socket on which no daemon listens, so that it does not matter what this machine runs."""
    return f"qemu:///system?socket={name}"


def test_a_daemon_that_is_down_is_told_with_what_to_do(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    host = kk.connect(nobody_answers(f"{tmp_path}/socket"))
    with pytest.raises(kk.HostUnavailable, match=r"systemctl start libvirtd.*kk\.check_host") as caught:
        kk.vms(host)

    assert host.uri in str(caught.value)
    # libvirt prints its errors unless told not to, and a notebook keeps what is printed.
    assert capfd.readouterr() == ("", "")


def test_a_login_shell_that_talks_is_told(tmp_path: Path) -> None:
    """In place of ssh: libvirt, too, gets what the shell there says before any command."""
    talking = tmp_path / "ssh"
    talking.write_text(
        '#!/bin/sh\necho Welcome to kvm1; while [ $# -gt 1 ]; do shift; done; exec sh -c "$1"\n'
    )
    talking.chmod(0o755)
    host = kk.connect(f"qemu+ssh://root@kvm1/system?command={talking}")

    with pytest.raises(
        kk.HostUnavailable, match=r"shell on .* says 'Welcome to kvm1' before any command, .*bashrc"
    ):
        kk.vms(host)


def test_libvirts_errors_are_in_its_words_with_the_host_and_not_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    host = kk.connect("test:///default")
    with (
        pytest.raises(kk.LibvirtFailed, match="cannot look at it on test:///default: Storage pool not found"),
        host.reading("look at it") as connection,
    ):
        connection.storagePoolLookupByName("none")

    assert capfd.readouterr() == ("", "")


def test_without_connect_libvirt_would_print() -> None:
    """Shows that the test above can fail: the same call in a process of its own that has not connected."""
    program = (
        "import libvirt\n"
        "try: libvirt.open('test:///default').storagePoolLookupByName('none')\n"
        "except libvirt.libvirtError: pass"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "Storage pool not found" in done.stderr


def without_a_daemon(monkeypatch: pytest.MonkeyPatch) -> kk.Host:
    """Give a host with libvirt's own test driver in place of a daemon; it has nothing to keep alive."""
    monkeypatch.setattr(module, "_libvirt_uri", lambda _uri: "test:///default")
    monkeypatch.setattr(libvirt.virConnect, "setKeepAlive", lambda *_: 0)
    return kk.Host("qemu:///system")


def test_a_connection_that_broke_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # That a daemon restarts is shown on a real one.
    host = without_a_daemon(monkeypatch)
    with host.reading("open it") as first:
        assert first.getLibVersion()
    with host.reading("use it again") as second:
        assert second is first

    class Broken:
        def getLibVersion(self) -> int:  # noqa: N802 - libvirt's name
            raise libvirt.libvirtError("client socket is closed")

    monkeypatch.setattr(host, "_idle", [Calls(Broken(), host.uri)])
    with host.reading("use it after the daemon's restart") as third:
        assert third.getLibVersion()


def test_a_connection_whose_calls_are_stuck_is_left_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stuck calls do to a connection: libvirt answers no more than a few of one at a time."""
    host = without_a_daemon(monkeypatch)
    end = threading.Event()

    class Stuck:
        def getLibVersion(self) -> bool:  # noqa: N802 - libvirt's name
            return end.wait(60)

    monkeypatch.setattr(module, "ASKING", 0.2)
    monkeypatch.setattr(host, "_idle", [Calls(Stuck(), host.uri)])
    with host.reading("list the VMs") as connection:
        assert connection.getLibVersion()
    end.set()


def test_a_daemon_that_never_answers_is_waited_for_with_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests' ssh runs `true`, and is silent to all else for as long as its caller lives."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nfor word; do :; done\n[ "$word" = true ] || exec cat >/dev/null\n')
    ssh.chmod(0o755)
    monkeypatch.setattr(module, "OPENING", 0.5)
    host = kk.connect(f"qemu+ssh://kvm1/system?command={ssh}")

    with (
        pytest.raises(kk.HostUnavailable, match=r"nothing came in 0\.5 s\. .*systemctl restart libvirtd"),
        host.reading("x"),
    ):
        pass
