"""The command kvmkit: what its words come to, and that a mistake is told in one line."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import kvmkit as kk
from kvmkit import cli, lab

URI = "test:///default"
ESCAPE = "\x1b"


def kvmkit(*words: str) -> Result:
    return CliRunner().invoke(cli.main, words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "nope"], "NotFound: no runbook 'nope'; there are: 00-menu, "),
        (["run", "40-create-vm", "memory_mib=lots"], "InvalidSpec: memory_mib: 'lots': Input should be"),
        (["run", "40-create-vm", "memory=1"], "InvalidSpec: memory: 40-create-vm has no such parameter"),
        (["run", "10-check-host", "uri=qemu:///system"], "InvalidSpec: uri: names the host, and is no"),
        (["run", "10-check-host", "name=web1"], "InvalidSpec: name: 10-check-host has no such parameter"),
        (["run", "10-check-host", "--uri", "vmware://esx1"], "InvalidURI: 'vmware://esx1' is not a URI"),
        (["check", "vmware://esx1"], "InvalidURI: 'vmware://esx1' is not a URI kvmkit can use"),
    ],
)
def test_a_mistake_is_told_in_one_line(words: list[str], said: str) -> None:
    done = kvmkit(*words)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {said}")
    assert len(done.stderr.splitlines()) == 1


def test_a_parameter_without_a_value_is_a_mistake_of_usage() -> None:
    done = kvmkit("run", "40-create-vm", "memory_mib")

    assert done.exit_code == 2
    assert done.stderr.endswith("'memory_mib' is not of the form PARAMETER=VALUE\n")


def test_words_become_parameters_and_a_value_may_have_an_equals_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(kk, "run_runbook", lambda *words, **given: asked.append((words, given)))
    kvmkit("run", "40-create-vm", "kernel_args=console=ttyS0", "vcpus=2", "--uri", "qemu:///system")
    kvmkit("run", "10-check-host")

    assert asked == [
        (("40-create-vm", "qemu:///system"), {"kernel_args": "console=ttyS0", "vcpus": "2"}),
        (("10-check-host", URI), {}),
    ]


@pytest.mark.parametrize(("status", "code"), [(kk.Status.WARN, 0), (kk.Status.FAIL, 1)])
def test_a_check_that_fails_is_the_exit_code(
    status: kk.Status, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = kk.Report("check", URI, [kk.Check("cpu", status, f"a{ESCAPE}[2Jb")])
    monkeypatch.setattr(kk, "check_host", lambda _host: report)
    done = kvmkit("check", URI)

    assert done.exit_code == code
    # A host does not steer the terminal.
    assert f"{status}  cpu: a\\x1b[2Jb" in done.stdout
    assert ESCAPE not in done.stdout


def test_options_that_are_not_its_own_are_jupyterlabs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Any] = []
    monkeypatch.setattr(lab, "serve", lambda _app, folder, options: served.append((folder, options)))
    folder = tmp_path / "mine"
    done = kvmkit("lab", "--no-browser", "--folder", str(folder), "--port=8890")

    assert (done.exit_code, done.output) == (0, "")
    assert served == [(folder, ("--no-browser", "--port=8890"))]
    assert (folder / "00-menu.ipynb").is_file()


def test_help_waits_for_no_libvirt_and_no_pandas() -> None:
    code = "import sys, kvmkit.cli; print(sorted({'libvirt', 'pandas', 'jupyterlab'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "text", "raised"),
    [
        # As libvirt's own module says where the library itself is not there, or is another.
        (
            "libvirt",
            "raise ImportError('libvirt.so.0: cannot open shared object', name='libvirtmod')",
            "Unsupported",
        ),
        ("lxml", "raise ImportError('another matter', name='lxml')", "ImportError"),
    ],
)
def test_an_import_that_fails_for_libvirt_says_what_to_install(
    name: str, text: str, raised: str, tmp_path: Path
) -> None:
    (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import kvmkit as kk; kk.vm_form"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stderr.splitlines()[-1].startswith((f"kvmkit.errors.{raised}: ", f"{raised}: "))
    told = "libvirt.so.0: cannot open" in done.stderr and "apt-get install libvirt-dev" in done.stderr
    assert told == (name == "libvirt")
