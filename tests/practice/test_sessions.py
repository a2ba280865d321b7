"""The practice host is one host for all kernels of a person, who need be nobody special."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import kvmkit as kk
from tests.practice.kernels import URI

NOBODY, WITHOUT_ACCOUNT = 65534, 54321  # the second as in a container that chooses a user id itself

SESSION = """
import json, os
import kvmkit as kk
host = kk.connect("test:///default")
checked = kk.check_host(host).ok
report = kk.apply(kk.plan_vm(host, kk.VMSpec(name="web1", cdrom="rescue.iso", autostart=True)))
kk.suspend(host, "web1")
kk.eject_media(host, "web1")
print(json.dumps({
    "uid": os.getuid(), "checked": checked, "applied": report.ok, "plan": report.plan_id,
    "operator": kk.history(host)["operator"].unique().tolist(),
}))
"""
LATER = """
import json, sys
import kvmkit as kk
host = kk.connect("test:///default")
seen = kk.vms(host)["state"].to_dict()
undone = kk.undo(host, sys.argv[1]).ok
print(json.dumps({"seen": seen, "undone": undone, "left": kk.vms(host).index.tolist()}))
"""


def python(program: str, *args: str) -> str:
    """Run a program in a process of its own, with the state folder of the test."""
    done = subprocess.run(
        [sys.executable, "-c", program, *args], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_what_one_process_makes_the_next_one_sees() -> None:
    made = json.loads(python(SESSION))
    later = json.loads(python(LATER, made["plan"]))

    assert made["checked"]
    assert made["applied"]
    assert later == {"seen": {"demo": "running", "web1": "suspended"}, "undone": True, "left": ["demo"]}


def test_two_processes_that_are_connected_see_each_others_changes(host: kk.Host) -> None:
    answers = (
        "import sys, kvmkit as kk\n"
        "host = kk.connect('test:///default')\n"
        "for line in sys.stdin:\n"
        "    verb = line.strip()\n"
        "    if verb: getattr(kk, verb)(host, 'demo')\n"
        "    print(kk.vms(host).loc['demo', 'state'], flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", answers], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin
        assert other.stdout

        def ask(verb: str) -> str:
            assert other.stdin
            assert other.stdout
            print(verb, file=other.stdin, flush=True)
            return other.stdout.readline().strip()

        seen = [ask("")]
        kk.suspend(host, "demo")
        seen.append(ask(""))
        seen += [ask("resume"), str(kk.vms(host).loc["demo", "state"])]
        kk.destroy(host, "demo")
        seen += [ask(""), ask("start"), str(kk.vms(host).loc["demo", "state"])]
        other.stdin.close()

    assert seen == ["running", "suspended", "running", "running", "shut off", "running", "running"]
    assert other.returncode == 0


def test_a_fresh_practice_host_is_as_on_the_first_day(host: kk.Host, create_plan: kk.Plan) -> None:
    kk.destroy(host, "demo")
    kk.apply(create_plan)
    kk.fresh_practice_host()

    assert kk.vms(host)["state"].to_dict() == {"demo": "running"}
    assert "web1.qcow2" not in kk.volumes(host).index
    assert kk.history(host).empty
    assert kk.apply(create_plan).ok


def test_a_fresh_practice_host_leaves_other_hosts_journals_alone(tmp_path: Path) -> None:
    other = tmp_path / "state" / "kvmkit" / "journal" / "qemu%3A%2F%2F%2Fsystem" / "acts.jsonl"
    other.parent.mkdir(parents=True)
    other.touch()
    kk.fresh_practice_host()

    assert other.exists()


def test_two_state_folders_are_two_hosts(
    host: kk.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kk.destroy(host, "demo")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))

    assert kk.vms(kk.connect(URI)).loc["demo", "state"] == "running"


@pytest.fixture(params=[NOBODY, WITHOUT_ACCOUNT])
def person(request: pytest.FixtureRequest) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Give what comes before a command so that it runs as an ordinary user, and that user's environment."""
    uid = os.getuid() or request.param
    before: list[str] = []
    with tempfile.TemporaryDirectory() as home:  # not in tmp_path, which is root's alone
        if os.getuid() == 0:
            os.chown(home, uid, uid)
            before = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
            if not can_run(before):
                # The interpreter or this repository is below a folder that is root's alone: the one
                # capability more is to read them. What is written is still written as that user.
                before += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
                if not can_run(before):
                    pytest.skip("setpriv may not become another user here")
        elif request.param == WITHOUT_ACCOUNT:
            pytest.skip("only root can become a user without an account")
        yield before, {"HOME": home, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


def can_run(before: list[str]) -> bool:
    command = [*before, sys.executable, "-c", "import kvmkit"]
    return (
        shutil.which("setpriv") is not None
        and not subprocess.run(command, capture_output=True, check=False).returncode
    )


def test_an_unprivileged_user_has_a_practice_host_too(person: tuple[list[str], dict[str, str]]) -> None:
    before, environment = person
    done = subprocess.run(
        [*before, sys.executable, "-c", SESSION],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    state = Path(environment["HOME"], ".local", "state", "kvmkit")

    assert said["uid"] != 0
    assert said["checked"]
    assert said["applied"]
    assert len(said["operator"]) == 1
    assert {path.stat().st_uid for path in state.rglob("*")} == {said["uid"]}
    assert (state / "practice" / "host.xml").exists()


# The steps of the README's session, and mistakes that people make.
IPYTHON = """\
import kvmkit as kk
host = kk.connect("test:///default")
plan = kk.plan_vm(host, kk.VMSpec(name="web1", memory_mib=1024, vcpus=1, disk_gib=10)); plan
report = kk.apply(plan); report
kk.vms(host).loc["web1", "state"]
kk.undo(report).ok
kk.start(host, "web9")
kk.VMSpec(name="rm -rf /", memory_mib=1)
kk.plan_vm(host, kk.VMSpec(name="web1", bridge="br7"))
kk.connect("vmware://esx1")
kk.start(host, "demo")
1 / 0
"""


def test_an_ipython_session_shows_plans_and_reports_and_a_mistake_as_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor"],
        input=IPYTHON,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    answers = re.split(r"In \[\d+\]: ", done.stdout)[1:]
    said = [re.sub(r"Out\[\d+\]: ", "", answer).strip() for answer in answers]

    assert done.returncode == 0
    assert re.match(r"Plan p[0-9a-f]{9} on test:///default: create VM web1\n  1\. create volume", said[2])
    assert said[3].startswith("create VM web1 on test:///default: 3 PASS\nPASS  create volume web1.qcow2")
    assert said[4:6] == ["'running'", "True"]
    assert said[6] == "NotFound: no VM 'web9' on test:///default; it has: demo"
    assert said[7].startswith("InvalidSpec: name: 'rm -rf /': a name is 1 to 64")
    assert said[8] == "InvalidSpec: bridge: 'br7': no such bridge; the host has: none"
    assert said[9].startswith("InvalidURI: 'vmware://esx1' is not a URI kvmkit can use")
    assert said[10].startswith("WrongState: cannot start VM demo on test:///default: it is running")
    assert not [answer for answer in said[6:11] if "\n" in answer]
    # The other kind, so that it is seen that tracebacks would be shown.
    assert "Traceback (most recent call last)" in said[11]
