"""Commands run with their arguments intact, and end in time whatever their children do."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from kvmkit import commands
from kvmkit.commands import NOT_FOUND, Local, Runner, Ssh
from kvmkit.errors import CommandFailed, CommandTimeout, HostUnavailable
from tests.lab.waiting import wait_until

NASTY = [
    *("", " ", "a b", "-rf", "--", "$(touch hit)", "`id`", "$HOME", "~", "*", "a;b", "a&b", "a|b", ">out"),
    *("'", '"', "'\"'\\''", "\\", "line\nline", "\ttab", "#", "!", "%s", "<&>", "ünïcödé ✓", "x" * 10_000),
]

# In place of ssh and sshd: as sshd does, it hands the one string that follows `--` to the login shell.
STAND_IN = """#!/bin/sh
echo "$@" > "$0.argv"
while [ "$1" != -- ]; do shift; done
exec sh -c "$2"
"""

LINGER = 'sleep 600 & echo $! > "$1"'


SHORT = 3
"""Seconds: a bound to run into, yet time enough for a shell to begin on a busy machine."""


def runs(pid_file: Path) -> bool:
    try:
        return psutil.Process(int(pid_file.read_text())).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def ssh(tmp_path: Path) -> Ssh:
    stand_in = tmp_path / "ssh"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o700)
    return Ssh("qemu+ssh://root@kvm1/system", "root@kvm1", command=str(stand_in))


@pytest.fixture(params=["local", "ssh"])
def runner(request: pytest.FixtureRequest, ssh: Ssh) -> Runner:
    return ssh if request.param == "ssh" else Local("qemu:///system")


@pytest.mark.parametrize("argument", NASTY, ids=range(len(NASTY)))
def test_an_argument_arrives_as_it_was_given(runner: Runner, argument: str) -> None:
    result = runner.run(["printf", "%s.%s", argument, "next"], "", 20)

    assert (result.exit_code, result.stdout) == (0, f"{argument}.next")


def test_all_nasty_arguments_at_once_start_no_second_command(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    result = runner.run(["printf", "%s\\0", *NASTY], "", 20)

    assert result.stdout.split("\0")[:-1] == NASTY
    assert {path.name for path in set(tmp_path.iterdir()) - before} <= {"ssh.argv"}


@pytest.mark.parametrize("argument", NASTY)
def test_no_login_shell_sees_what_its_quotes_would_not_hold(argument: str) -> None:
    """That csh and fish take such lines apart as sh does was seen with both, which test machines may lack."""
    line = commands._one_line(["printf", "%s", argument])

    assert not set("\n!") & set(line)
    assert not re.search(r"\\[\\']", line)


def test_the_command_reads_what_it_is_given(runner: Runner) -> None:
    assert runner.run(["cat"], "one\ntwo ✓\n", 20).stdout == "one\ntwo ✓\n"


def test_a_command_that_is_given_nothing_reads_an_end_and_does_not_wait(runner: Runner) -> None:
    assert runner.run(["cat"], "", 20).stdout == ""


@pytest.mark.parametrize("code", [0, 1, 2, 126, 200])
def test_exit_code_and_both_outputs_come_back(runner: Runner, code: int) -> None:
    result = runner.run(["sh", "-c", f"echo out; echo err >&2; exit {code}"], "", 20)

    assert (result.exit_code, result.stdout, result.stderr) == (code, "out\n", "err\n")


def test_what_is_no_text_is_replaced_and_not_an_error(runner: Runner) -> None:
    assert runner.run(["printf", r"a\377b"], "", 20).stdout == "a�b"


def test_what_a_command_prints_is_told_while_it_runs(runner: Runner, tmp_path: Path) -> None:
    told: list[str] = []

    def follow(line: str) -> None:
        told.append(line)
        # It waits for this: told at its end only, it would never come to it.
        (tmp_path / "heard").touch()

    script = 'printf "one\\ntw"; until [ -e "$1/heard" ]; do sleep 0.05; done; printf "o\\n\\377\\nno end"'
    result = runner.run(["sh", "-c", script, "sh", str(tmp_path)], "", 60, follow)

    assert told == ["one", "two", "\ufffd"]
    assert result.stdout == "one\ntwo\n\ufffd\nno end"


def test_a_command_that_is_followed_is_ended_in_time_too(runner: Runner) -> None:
    told: list[str] = []
    with pytest.raises(CommandTimeout):
        runner.run(["sh", "-c", "echo one; sleep 600"], "", SHORT, told.append)

    assert told == ["one"]


def test_a_command_that_is_not_there_ends_as_in_a_shell(runner: Runner) -> None:
    result = runner.run(["no-such-command-anywhere"], "", 20)

    assert result.exit_code == NOT_FOUND
    assert "no-such-command-anywhere" in result.stderr


@pytest.mark.parametrize("path", ["/no/such/program", "/etc/passwd", "/etc"])
def test_a_path_that_is_no_program_ends_as_in_a_shell(path: str) -> None:
    result = Local("qemu:///system").run([path], "", 20)

    assert result.exit_code == NOT_FOUND
    assert result.stderr.startswith(f"{path}: ")


def test_a_failed_command_carries_all_that_is_known() -> None:
    argv = ["sh", "-c", "echo out; echo first >&2; echo 'disk is full' >&2; exit 3"]
    result = Local("qemu:///system").run(argv, "", 20)
    with pytest.raises(CommandFailed) as caught:
        commands.check(result, argv, "qemu:///system")

    error = caught.value
    assert (error.argv, error.exit_code, error.host) == (argv, 3, "qemu:///system")
    assert (error.stdout, error.stderr) == ("out\n", "first\ndisk is full\n")
    assert "exit code 3 on qemu:///system" in str(error)
    assert str(error).endswith("disk is full")


@pytest.mark.parametrize(
    "script",
    [
        "echo so far; echo why >&2; exec sleep 600",
        "echo so far; echo why >&2; sleep 600 & exec sleep 600",
        "trap '' TERM; echo so far; echo why >&2; sleep 600 & wait; sleep 600",
    ],
    ids=["alone", "with-a-child", "deaf-to-TERM"],
)
def test_a_command_that_hangs_is_ended_and_carries_what_it_said(script: str) -> None:
    with pytest.raises(CommandTimeout) as caught:
        Local("qemu:///system").run(["sh", "-c", script], "", SHORT)

    error = caught.value
    assert (error.argv, error.host) == (["sh", "-c", script], "qemu:///system")
    assert (error.exit_code, error.stdout, error.stderr) == (124, "so far\n", "why\n")
    assert isinstance(error, TimeoutError)


def test_nothing_of_a_hung_command_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandTimeout):
        Local("here").run(
            ["sh", "-c", "sleep 600 & echo $! > child; echo $$ > self; exec sleep 600"], "", SHORT
        )

    # The signal was sent; when a process of another parent is gone is the kernel's affair.
    wait_until(lambda: not any(runs(tmp_path / name) for name in ("child", "self")), "the end of both")


# In the next two a grandchild that still runs shows that nobody waited for it to close the output.


def test_a_grandchild_of_another_session_that_keeps_the_output_holds_nobody_up(tmp_path: Path) -> None:
    with pytest.raises(CommandTimeout):
        Local("here").run(
            ["sh", "-c", f"setsid {LINGER}; exec sleep 600", "sh", f"{tmp_path}/pid"], "", SHORT
        )

    assert runs(tmp_path / "pid")
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_command_that_ended_is_not_waited_for_because_of_its_child(tmp_path: Path) -> None:
    result = Local("here").run(["sh", "-c", f"{LINGER}; echo done", "sh", f"{tmp_path}/pid"], "", 500)

    assert result.stdout == "done\n"
    assert runs(tmp_path / "pid")
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_an_interrupt_ends_the_command_too(tmp_path: Path) -> None:
    program = (
        "import os, sys, kvmkit.commands as c\n"
        "c.Local('here').run(['sh', '-c', 'echo $$ > self.part; mv self.part self; exec sleep 600'], '', 600)"
    )
    kernel = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(commands.__file__).parents[1])},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "self").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    child = psutil.Process(int((tmp_path / "self").read_text()))
    kernel.send_signal(signal.SIGINT)

    assert kernel.wait(60) != 0
    assert not psutil.wait_procs([child], timeout=30)[1]


def test_ssh_asks_nothing_keeps_alive_and_shares_one_connection(ssh: Ssh) -> None:
    argv = Ssh("u", "root@kvm1", 2222, "/keys/kvm", "ssh").argv
    options = [argv[place + 1] for place, word in enumerate(argv) if word == "-o"]

    assert {"BatchMode=yes", "ServerAliveInterval=15", "ServerAliveCountMax=8"} <= set(options)
    assert {"ControlMaster=auto", "ConnectTimeout=10"} <= set(options)
    assert not [option for option in options if "KnownHosts" in option]
    assert argv[-6:] == ["-p", "2222", "-i", "/keys/kvm", "-T", "root@kvm1"]


def test_the_folder_of_control_sockets_is_closed_to_others(ssh: Ssh) -> None:
    option = next(word for word in ssh.argv if word.startswith("ControlPath="))
    folder = Path(option.partition("=")[2]).parent

    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.stat().st_uid == os.getuid()


def test_settings_of_a_person_open_no_way_back_and_trust_no_unknown_host(tmp_path: Path) -> None:
    """The real ssh says what it would do: first with a person's settings, then with ours above them."""
    risky = {"ForwardAgent": "yes", "ForwardX11": "yes", "StrictHostKeyChecking": "no", "Tunnel": "yes"}
    risky |= {"LocalForward": "8080 localhost:80", "RemoteForward": "9 localhost:9", "RemoteCommand": "id"}
    risky |= {"PermitLocalCommand": "yes", "DynamicForward": "1080"}
    config = tmp_path / "config"
    config.write_text("".join(f"{name} {value}\n" for name, value in risky.items()))
    argv = Ssh("u", "root@kvm1").argv

    def would(words: list[str]) -> set[str]:
        asked = ["ssh", "-F", str(config), *words, "-G", "kvm1"]
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30)
        return {line.lower() for line in done.stdout.splitlines()}

    theirs, ours = would([]), would([*argv[1:-2], "-T"])
    assert {"forwardagent yes", "forwardx11 yes", "stricthostkeychecking false"} <= theirs
    assert {"forwardagent no", "forwardx11 no", "stricthostkeychecking true", "tunnel false"} <= ours
    assert {"permitlocalcommand no", "clearallforwardings yes"} <= ours
    assert not [line for line in ours if line.startswith("remotecommand")]


@pytest.mark.parametrize("place", ["x" * 90, "a b", "%h"])
def test_a_folder_that_ssh_cannot_use_is_passed_over(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / place).mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / place))
    option = next(word for word in Ssh("u", "kvm1").argv if word.startswith("ControlPath="))

    assert place not in option
    assert len(option) < 108


def test_a_folder_that_somebody_else_made_first_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "LONGEST_SOCKET", 300)
    (tmp_path / f"kvmkit-ssh-{os.getuid()}").mkdir(mode=0o755)
    (tmp_path / f"kvmkit-ssh-{os.getuid()}").chmod(0o777)
    monkeypatch.setattr(commands, "_places", lambda: [str(tmp_path)])

    assert {"ControlMaster=no", "ControlPath=none"} <= set(Ssh("u", "kvm1").argv)


def test_over_ssh_the_host_bounds_the_command_itself(ssh: Ssh) -> None:
    with pytest.raises(CommandTimeout) as caught:
        ssh.run(["sh", "-c", "echo so far; exec sleep 600"], "", SHORT)

    assert caught.value.argv == ["sh", "-c", "echo so far; exec sleep 600"]
    assert (caught.value.stdout, caught.value.host) == ("so far\n", ssh.host)
    assert f" timeout -k 5 {SHORT} " in Path(f"{ssh.command}.argv").read_text()


def test_over_ssh_a_command_deaf_to_sigterm_is_a_timeout_too(ssh: Ssh) -> None:
    # timeout(1) exits with 137 then, and not with 124.
    with pytest.raises(CommandTimeout):
        ssh.run(["sh", "-c", "trap '' TERM; while :; do sleep 0.2; done"], "", SHORT)


def test_over_ssh_a_command_that_was_killed_early_is_no_timeout(ssh: Ssh) -> None:
    assert ssh.run(["sh", "-c", "kill -KILL $$"], "", 30).exit_code == 137


def test_a_dead_line_is_a_timeout(ssh: Ssh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "GRACE", 0.5)
    Path(ssh.command).write_text("#!/bin/sh\necho so far\nexec sleep 600\n")
    with pytest.raises(CommandTimeout) as caught:
        ssh.run(["true"], "", SHORT)

    assert (caught.value.argv, caught.value.stdout, caught.value.host) == (["true"], "so far\n", ssh.host)


def test_ssh_that_fails_itself_says_so_and_what_to_try(ssh: Ssh) -> None:
    Path(ssh.command).write_text("#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n")
    with pytest.raises(HostUnavailable, match=r"root@kvm1.*Permission denied.*Try `ssh root@kvm1`"):
        ssh.run(["true"], "", 20)


def test_without_an_ssh_the_command_is_not_found(ssh: Ssh) -> None:
    Path(ssh.command).unlink()

    assert ssh.run(["true"], "", 20).exit_code == NOT_FOUND


@pytest.mark.parametrize("where", ["", " >&2"])
def test_a_command_that_prints_without_end_is_ended(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setattr(commands, "LIMIT", 2**20)

    with pytest.raises(CommandFailed, match="it printed more than 1 MiB, and was ended") as failed:
        Local("this machine").run(["sh", "-c", f"yes{where}"], "", 60)

    assert failed.value.stdout == ""


def test_a_way_that_hangs_is_said_to(ssh: Ssh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "GRACE", 1)
    Path(ssh.command).write_text("#!/bin/sh\nexec sleep 600\n")

    with pytest.raises(CommandTimeout, match="the machine, or the way to it, hangs"):
        ssh.run(["true"], "", 1)
