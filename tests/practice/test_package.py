"""sdist and wheel: built, installed with what they ask for and no more, used outside of the repository."""

import json
import subprocess
import tarfile
import time
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.practice.installed import ROOT, SECONDS, Installation, build, install

URI = "test:///default"
RUNBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give the sdist and the wheel."""
    return build(tmp_path_factory.mktemp("dist"))


def test_sdist_and_wheel_have_all_that_is_needed(built: tuple[Path, Path]) -> None:
    sdist, wheel = built
    with tarfile.open(sdist) as archive:
        source = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = {name for name in tracked.stdout.splitlines() if (ROOT / name).is_file()}
    # xterm.js and its licence, where they were fetched.
    fetched = {str(path.relative_to(ROOT)) for path in (ROOT / "kvmkit/forms/xterm").glob("*")}
    package = {name for name in files | fetched if name.startswith("kvmkit/")}
    runbooks = {f"kvmkit/{name}" for name in files if name.startswith("notebooks/")}

    assert len(runbooks) == len(RUNBOOKS)
    assert files | fetched <= source
    assert {name for name in names if ".dist-info/" not in name} == package | runbooks


def served(started: subprocess.Popen[str], home: Path) -> str:
    """Wait until JupyterLab serves the menu, and give its text."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and started.poll() is None:
        for path in home.glob(".local/share/jupyter/runtime/jpserver-*.json"):
            try:
                info = json.loads(path.read_text(encoding="utf-8"))
                menu = f"{info['url']}api/contents/00-menu.ipynb?token={info['token']}"
                with urllib.request.urlopen(menu, timeout=10) as answer:  # noqa: S310 - its own
                    return str(answer.read(), "utf-8")
            except (ValueError, OSError):  # half written, not serving yet
                continue
        time.sleep(0.1)
    raise AssertionError(f"it serves no menu: exit code {started.poll()}")


def opened(installed: Installation) -> tuple[str, str]:
    """Open the runbooks; give the menu as it is served, and what stands on the terminal."""
    with (installed.home / "terminal").open("w+", encoding="utf-8") as terminal:
        started = subprocess.Popen(
            installed.argv("lab", "--no-browser"),
            cwd=installed.home,
            env=installed.environment,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            text=True,
        )
        try:
            menu = served(started, installed.home)
        finally:
            started.terminate()
            started.wait(SECONDS)
        terminal.seek(0)
        return menu, terminal.read()


def test_what_is_installed_with_the_extra_checks_runs_and_opens(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    installed = install(tmp_path, built[1], ["lab"])

    assert f"version {version}" in installed.kvmkit("--version").stdout
    assert "Commands:" in installed.kvmkit("--help").stdout
    checked = installed.kvmkit("check", URI)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.startswith(f"check on {URI}: ")
    ran = installed.kvmkit("run", "10-check-host")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(
        f"10-check-host on {URI}: done; kept as {installed.home}/.local/state/kvmkit/"
    )
    # Changed before it is copied a second time.
    folder = installed.home / "kvmkit-runbooks"
    folder.mkdir()
    (folder / "40-create-vm.ipynb").write_text("mine", encoding="utf-8")
    menu, terminal = opened(installed)
    assert "KVM from notebooks: the menu" in menu
    assert "left as you changed them: 40-create-vm.ipynb." in terminal
    assert (folder / "40-create-vm.ipynb").read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in folder.glob("*.ipynb")) == RUNBOOKS


def test_without_the_extra_it_checks_and_says_what_the_rest_needs(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    installed = install(tmp_path, built[1])

    assert installed.kvmkit("check", URI).returncode == 0
    for words, what in ((("run", "10-check-host"), "papermill"), (("lab",), "JupyterLab")):
        refused = installed.kvmkit(*words)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith(f"Error: Unsupported: {what}, which ")
        assert refused.stderr.endswith(" is not installed: pip install 'kvmkit[lab]'\n")
    assert not (installed.home / "kvmkit-runbooks").exists()


def test_without_libvirt_python_it_says_what_that_needs(built: tuple[Path, Path], tmp_path: Path) -> None:
    installed = install(tmp_path, built[1], without=["libvirt-python"])

    refused = installed.kvmkit("check", URI)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(
        "Error: Unsupported: kvmkit talks to hosts by libvirt-python, which cannot be"
    )
    assert "Debian, Ubuntu: apt-get install libvirt-dev " in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
