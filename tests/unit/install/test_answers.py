"""Answers made from specs: what each language's own reader makes of them."""

import itertools
import re
import runpy
import shutil
import subprocess
import sysconfig
from base64 import b64decode
from pathlib import Path
from shlex import quote
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

import kvmkit as kk
from kvmkit.install.answers import Kind, render
from kvmkit.install.answers.autoinstall import autoinstall
from kvmkit.install.answers.checked import Checked
from kvmkit.install.answers.cloudinit import cloud_config, network_config
from kvmkit.install.answers.kickstart import kickstart
from kvmkit.install.answers.preseed import check, preseed
from kvmkit.install.answers.setup import allow_keys
from kvmkit.install.answers.wanted import Wanted, wanted
from kvmkit.install.spec import InstallSpec

HASH = "$6$salt$abc./DEF"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJrk1f0"
V4, V6 = "192.168.0.9/24 192.168.0.1 192.168.0.1 192.168.0.2", "fd00::9/64 fd00::1"
RELEASES = [
    *(f"RHEL{number}" for number in range(6, 11)),
    *(f"F{number}" for number in range(22, 47)),
]


def want(password: str = "", root_password: str = "", mac: str = "", **fields: Any) -> Wanted:
    """Give what a spec asks for, with hashes that are known."""
    found = wanted(InstallSpec(**fields), "web1", mac)
    return Wanted(**{**found.__dict__, "password": password, "root_password": root_password})


def options(release: str) -> list[Wanted]:
    """Give every combination of what works together; what stands for itself goes along in turn."""
    networks = ("dhcp", V4) if release == "RHEL6" else ("dhcp", V4, V6)
    choices = itertools.product(("", "ann"), ("", KEY, f"{KEY} a\n{KEY} b"), ("plain", "lvm"), networks)
    return [
        want(
            password=HASH * (number % 3 == 0 and bool(user)),
            root_password=HASH * (number % 2),
            location="http://192.168.0.200/tree" * (number % 5 > 1),
            user=user,
            ssh_keys=keys,
            partitioning=partitioning,
            network=network,
            post="true" * (number % 7 > 2),
            packages="@base vim-enhanced",
        )
        for number, (user, keys, partitioning, network) in enumerate(choices)
    ]


@pytest.mark.parametrize("release", RELEASES)
def test_every_kickstart_passes_ksvalidator_for_its_release(
    release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # What is written for a Fedora is the same for all of them; pykickstart's rules are not.
    wishes = options(release)[:: 1 if release.startswith("RHEL") else 5]
    for number, wish in enumerate(wishes):
        (tmp_path / f"{number}.ks").write_text(kickstart(wish, release))
    main = runpy.run_path(f"{sysconfig.get_path('scripts')}/ksvalidator")["main"]
    found = main(["-v", release, str(tmp_path / "*.ks")])
    said = capsys.readouterr()
    assert (found, said.err) == ((0, []), "")
    assert said.out.count("Checking kickstart file") == len(wishes)


HOSTILE = (
    "'",
    '"',
    "\\",
    "$(reboot)",
    "`reboot`",
    "%end",
    "#",
    ": ",
    "- ",
    "{{",
    "it's",
    "é",
    "名",
    "😀",
    "!!python",
)
WORDS = st.one_of(
    st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=("C", "Z")), max_size=20)
)
LINE = st.lists(WORDS, max_size=5).map(" ".join)
SCRIPT = st.lists(st.one_of(LINE, LINE.map("\t{}".format)), max_size=6).map("\n".join)


@st.composite
def hostile(draw: st.DrawFn) -> Wanted:
    """Draw a spec that its own rules allow, with anything in its free texts."""
    path = draw(WORDS)
    try:
        return want(
            password=HASH,
            root_password=HASH,
            user="ann",
            ssh_keys="\n".join(f"{KEY} {draw(LINE)}".strip() for _ in range(draw(st.integers(1, 2)))),
            location=f"http://192.168.0.200/{path}",
            post=draw(SCRIPT),
            network=V4,
            packages="vim",
        )
    except kk.InvalidSpec:
        assume(condition=False)
        raise


def is_refused(wish: Wanted, why: str) -> bool:
    """Whether something in the script, or in the URL, is what a language cannot hold."""
    if why == "post":
        return bool(re.search(r"(?m)^\s*%end(\s|$)", wish.install.post))
    return "\\" in wish.install.location


@given(hostile())
def test_nothing_breaks_out_of_a_kickstart(wish: Wanted) -> None:
    if is_refused(wish, "post"):
        with pytest.raises(kk.InvalidSpec, match=r"post: line \d+: it begins with %end"):
            kickstart(wish, "RHEL9")
        return
    parser = KickstartParser(makeVersion("RHEL9"))
    parser.readKickstartFromString(kickstart(wish, "RHEL9"))
    found = parser.handler
    assert found.url.url == wish.install.location
    scripts = [script.script for script in found.scripts]
    if len(wish.keys) == 1:
        assert [(key.username, key.key) for key in found.sshkey.sshUserList] == [("ann", wish.keys[0])]
    else:
        assert all(quote(key) in scripts[0] for key in wish.keys)
    assert [(user.name, user.password) for user in found.user.userList] == [("ann", HASH)]
    assert (found.rootpw.password, found.rootpw.isCrypted) == (HASH, True)
    assert found.packages.packageList == ["openssh-server", "sudo", "vim"]
    # A section ends with a line, also where the script did not.
    assert scripts[1:] == [wish.install.post.removesuffix("\n") + "\n"] * bool(wish.install.post.strip())


def answers_of(text: str) -> dict[str, str]:
    """Read a preseed file as debconf-set-selections does (its own pattern)."""
    assert "\\\n" not in text
    found = [re.fullmatch(r"(\S+)\s+(\S+)\s+(\S+)(?:\s(.*))?", line) for line in text.split("\n")[:-1]]
    return {line[2]: line[4] or "" for line in found if line}


@given(hostile())
def test_nothing_breaks_out_of_a_preseed(wish: Wanted) -> None:
    if is_refused(wish, "location"):
        with pytest.raises(kk.InvalidSpec, match=r"location: .*backslash"):
            preseed(wish)
        return
    text = preseed(wish)
    assert check(text) == Checked()
    answers = answers_of(text)
    tame = want(
        HASH, HASH, user="ann", ssh_keys=KEY, location="http://h/x", post="x", network=V4, packages="vim"
    )
    late = "preseed/late_command"
    assert answers.keys() | {late} == answers_of(preseed(tame)).keys()
    assert answers["passwd/root-password-crypted"] == HASH
    setup, *post = [b64decode(code).decode() for code in re.findall(r"echo (\S+) \|", answers[late])]
    assert post == [wish.install.post] * bool(wish.install.post)
    assert all(quote(key) in setup for key in wish.keys)


@given(hostile())
def test_nothing_breaks_out_of_cloud_config_and_autoinstall(wish: Wanted) -> None:
    for text in (cloud_config(wish), autoinstall(wish)):
        head, _, rest = text.partition("\n")
        assert head == "#cloud-config"
        data = yaml.safe_load(rest)
        section = data.get("autoinstall", {})
        first = section.get("user-data", data)
        ann, root = first["users"]
        assert (ann["ssh_authorized_keys"], ann["hashed_passwd"]) == (list(wish.keys), HASH)
        assert (root["name"], root["hashed_passwd"]) == ("root", HASH)
        scripts = section.get("late-commands", []) or data.get("runcmd", [])
        assert [command[-1] for command in scripts] == [wish.install.post] * bool(wish.install.post)


@given(hostile())
def test_a_shell_writes_the_very_keys(tmp_path_factory: pytest.TempPathFactory, wish: Wanted) -> None:
    home = tmp_path_factory.mktemp("home")
    script = allow_keys("ann", wish.keys)
    # The one thing that is not real: the account. Its home is a folder of the test's.
    stand_ins = f"getent() {{ echo ann:x:1:1::{home}:/bin/sh; }}\nchown() {{ :; }}\n"
    subprocess.run(["sh", "-c", stand_ins + script], check=True, timeout=60)
    path = home / ".ssh/authorized_keys"
    assert path.read_text() == "".join(f"{key}\n" for key in wish.keys)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("line", ["%end", "  %end # done", "%post", "%include /x", "%ksappend x"])
def test_a_line_that_would_end_the_script_is_named(line: str) -> None:
    with pytest.raises(kk.InvalidSpec, match=r"post: line 2: it begins with %[a-z]+,"):
        kickstart(want(post=f"true\n{line}\n"), "RHEL9")
    assert line in cloud_config(want(post=f"true\n{line}\n"))


def test_what_differs_between_releases() -> None:
    wish = want(location="ftp://192.168.0.200/rhel", user="ann", ssh_keys=KEY, network="dhcp")
    old, seven, new = (kickstart(wish, release).splitlines() for release in ("RHEL6", "RHEL7", "RHEL8"))
    assert f"sshkey --username=ann '{KEY}'" in new
    assert not [line for line in old + seven if line.startswith("sshkey")]
    assert (
        sum("authorized_keys" in line for line in old)
        == sum("authorized_keys" in line for line in seven)
        == 2
    )
    assert "autopart --type=plain" in new
    assert "autopart --type=plain" not in old
    assert "part / --fstype=ext4 --size=2048 --grow" in old
    assert "rootpw --lock" in new
    assert "url --url=ftp://192.168.0.200/rhel" in new


def test_fields_that_a_language_has_no_words_for_are_named() -> None:
    for release in ("RHEL5", "F21", "", "RHEL", "9"):
        with pytest.raises(kk.InvalidSpec, match=r"release: .*RHEL6 and newer"):
            kickstart(want(), release)
    with pytest.raises(kk.InvalidSpec, match=r"release: .*pykickstart knows no such syntax"):
        render("kickstart", InstallSpec(), "web1", "RHEL99")
    with pytest.raises(kk.InvalidSpec, match=r"network: .*no IPv6 gateway"):
        kickstart(want(network=V6), "RHEL6")
    for make in (lambda wish: kickstart(wish, "RHEL9"), preseed):
        with pytest.raises(kk.InvalidSpec, match=r"location: .*cannot reach a folder"):
            make(want(location="/srv/tree"))
    with pytest.raises(kk.InvalidSpec, match="password: it is a user's, and user is empty"):
        wanted(InstallSpec(password=HASH), "web1", "")
    with pytest.raises(kk.InvalidSpec, match="post: a script of at most"):
        want(post="x" * 65537)
    with pytest.raises(kk.InvalidSpec, match=r"network: .*without a zone"):
        want(network="fe80::9/64 fe80::1%x")


def test_debconf_itself_takes_every_preseed() -> None:
    program = shutil.which("debconf-set-selections")
    if not program:
        pytest.skip("debconf-set-selections is not installed")
    for wish in options("preseed"):
        argv = [program, "--checkonly"]
        found = subprocess.run(
            argv, input=preseed(wish), capture_output=True, text=True, check=True, timeout=60
        )
        assert found.stderr == ""


@pytest.mark.parametrize(("post", "code"), [('echo "it\'s" >seen\n', 0), ('echo "it\'s" >seen; exit 3', 3)])
def test_debians_installer_runs_the_script_and_knows_how_it_ended(
    post: str, code: int, tmp_path: Path
) -> None:
    command = answers_of(preseed(want(post=post)))["preseed/late_command"]
    # in-target is the installer's; here the new system is this one.
    (tmp_path / "in-target").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "in-target").chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    done = subprocess.run(["sh", "-c", command], env=env, cwd=tmp_path, check=False, timeout=60)
    assert done.returncode == code
    assert (tmp_path / "seen").read_text() == "it's\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in-target", "seen"]


def test_where_debians_packages_are() -> None:
    location = "http://192.168.0.200:8000/debian/dists/bookworm/main/installer-amd64/current/images/netboot"
    answers = answers_of(preseed(want(location=location)))
    assert answers["mirror/http/hostname"] == "192.168.0.200:8000"
    assert answers["mirror/http/directory"] == "/debian"
    assert answers["mirror/suite"] == "bookworm"
    assert answers_of(preseed(want()))["apt-setup/use_mirror"] == "false"


@pytest.mark.parametrize("user", ["", "ann"])
@pytest.mark.parametrize("password", ["", HASH])
def test_who_may_log_in(user: str, password: str) -> None:
    wish = want(password=password if user else "", root_password="" if user else password, user=user)
    answers = answers_of(preseed(wish))
    assert answers["passwd/make-user"] == str(bool(user)).lower()
    assert answers["passwd/root-login"] == str(not user).lower()
    name = "user" if user else "root"
    assert answers[f"passwd/{name}-password-crypted"] == (password or "!")
    config = yaml.safe_load(cloud_config(wish))
    assert config["ssh_pwauth"] == bool(password)
    assert [entry["name"] for entry in config.get("users", [])] == (
        [user] if user else ["root"] * bool(password)
    )
    rules = re.findall(r"ann (ALL=.*)' >/etc/sudoers", kickstart(wish, "RHEL9"))
    assert rules == (["ALL=(ALL) ALL" if password else "ALL=(ALL) NOPASSWD: ALL"] if user else [])


def test_a_static_address_in_netplans_words() -> None:
    wish = want(network=V6, mac="52:54:00:00:00:01")
    assert wish.static is not None
    found = yaml.safe_load(network_config(wish.static, wish.mac))
    card = found["ethernets"]["eth0"]
    assert (found["version"], card["addresses"]) == (2, ["fd00::9/64"])
    assert card["gateway6"] == "fd00::1"
    assert card["match"] == {"macaddress": "52:54:00:00:00:01"}
    assert "nameservers" not in card


@pytest.mark.parametrize("kind", ["autoinstall", "cloud-init"])
def test_files_of_a_seed(kind: Kind) -> None:
    files = render(kind, InstallSpec(network=V4), "web1").files
    assert yaml.safe_load(files["meta-data"]) == {"instance-id": "web1"}
    assert ("network-config" in files) == (kind == "cloud-init")
    assert "network-config" not in render(kind, InstallSpec(), "web1").files
