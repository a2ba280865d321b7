"""The scripts of a trial: what a shell sees, and what the log of one says."""

import shutil
import subprocess

import pytest
from pydantic import ValidationError

from kvmkit.bridge.recipe import TRIAL, Recipe
from kvmkit.bridge.script import FileChange, changes_of, contents, taken_back
from kvmkit.bridge.transaction import Standing
from kvmkit.prepare.files import kept_copy

AWKWARD = "a b'c $(touch /tmp/x) `id`\n;"
RECIPE = Recipe(
    owner="ifupdown",
    trial_files={f"{TRIAL}/x": "1", "/run/systemd/network/y": "2"},
    apply=(("echo", AWKWARD), ("ip", "link")),
    restore=(("ip", "link", "del", "br0"),),
    keep_files={"/etc/new file": "new\n", "/etc/old": None},
    keep=(("true",),),
)


def test_a_shell_sees_the_words_of_a_command_as_they_are() -> None:
    script = contents(RECIPE, [])["apply"]
    echo = script[script.index("echo ") : script.index("ip link")]

    said = subprocess.run(["sh", "-c", echo], capture_output=True, text=True, check=True).stdout

    assert said == f"{AWKWARD}\n"


def test_only_a_managers_trial_files_are_gone_before_the_way_back() -> None:
    restore = contents(RECIPE, [])["restore"].splitlines()

    assert restore == [
        "[ ! -e placed.1 ] || rm -f /run/systemd/network/y",
        "timeout -k 2 15 ip link del br0",
    ]


@pytest.mark.parametrize("name", ["apply", "restore", "keep", "unkeep", "engine", "files.sh"])
def test_every_script_is_one_for_a_plain_shell(name: str) -> None:
    shell = shutil.which("dash") or "sh"
    changes = [*changes_of(RECIPE, {"/etc/old": "0123"}), FileChange("/etc/x", source="/var/lib/x")]

    done = subprocess.run([shell, "-n"], input=contents(RECIPE, changes)[name], text=True, check=False)

    assert done.returncode == 0


def test_what_is_kept_is_written_flushed_and_can_be_taken_back() -> None:
    changes = changes_of(RECIPE, {"/etc/old": "0123456789abcdef0"})

    assert [(change.path, change.content, change.copy) for change in changes] == [
        ("/etc/new file", "new\n", ""),
        ("/etc/old", None, kept_copy("/etc/old", "0123456789abcdef0")),
    ]
    keep = contents(RECIPE, changes)["keep"]
    assert "sh files.sh write '/etc/new file' 4 <new.0" in keep
    assert "sh files.sh remove /etc/old" in keep
    assert keep.splitlines()[-3:] == [
        "true",
        "rm -f '/etc/.new file.kvmkit-old'",
        "rm -f /etc/.old.kvmkit-old",
    ]


def test_taking_back_gives_the_very_files_and_not_what_a_backend_would_write() -> None:
    back = RECIPE.model_copy(update={"keep_files": {"/etc/old": "rendered anew", "/etc/third": "3"}})

    assert taken_back(RECIPE, {"/etc/old": "0123"}, back) == [
        FileChange("/etc/old", source=kept_copy("/etc/old", "0123")),
        FileChange("/etc/new file"),
        FileChange("/etc/third", "3"),
    ]


@pytest.mark.parametrize("path", ["/etc/network/interfaces", "/run/../etc/passwd", "run/x"])
def test_a_trial_file_that_outlives_a_reboot_is_no_trial_file(path: str) -> None:
    with pytest.raises(ValidationError, match="is not below /run"):
        Recipe(owner="ifupdown", trial_files={path: ""}, apply=(), restore=())


LOG = """\
@ 100000 14:03:18 applying
+ ip -batch /run/kvmkit/trial/files/apply
{what}
@ 100310 14:03:21 restoring
+ ip -force -batch /run/kvmkit/trial/files/restore
@ 100410 14:03:22 restored
"""


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("@ 100010 14:03:18 applied\n@ 100300 14:03:21 nobody confirmed in time", "nobody confirmed in time"),
        ("Command failed x:3\n@ 100010 14:03:18 failed", "a command failed (+ ip -batch"),
        ("No space left on device\n@ 100300 14:03:21 not kept", "No space left on device"),
        ("@ 100010 14:03:18 applied", "it was asked to"),
    ],
)
def test_a_log_says_when_and_for_how_long_and_why(what: str, reason: str) -> None:
    standing = Standing("restored", LOG.format(what=what))

    assert standing.seconds_away == pytest.approx(4.1)
    assert "put its network back at 14:03:22 UTC, 4.1 s after the change began, as" in standing.told
    assert reason in standing.told


def test_a_trial_that_nothing_is_known_of() -> None:
    assert Standing("absent").told == "nothing is on trial"
    assert Standing("absent").seconds_away == 0
    assert Standing("running").told == "the trial is running"
    assert not Standing("running").ended
