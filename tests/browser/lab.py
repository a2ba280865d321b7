"""A JupyterLab as `make lab` starts it, on a copy of the runbooks, and what a person does in it."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from playwright.sync_api import Locator, Page

from tests.browser.bounds import CALL_SECONDS
from tests.lab.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]

READY = """async () => {
    const app = window.jupyterapp;
    await app.restored;
    const { context } = app.shell.currentWidget;
    await context.ready;
    await context.sessionContext.ready;
    await context.sessionContext.session.kernel.info;
    // A command that is not enabled yet does nothing, and does not say so.
    while (!app.commands.isEnabled('notebook:run-all-cells'))
        await new Promise(requestAnimationFrame);
}"""


@dataclass(frozen=True)
class Server:
    """A running JupyterLab.

    Attributes
    ----------
    folder
        All that it writes is in here: its log, the runbooks, settings, and the state that its kernels share.
    opens
        The file that leads a browser to it, as `make lab` has the browser open it.
    """

    folder: Path
    opens: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def url(self, notebook: str, view: str = "lab/tree") -> str:
        """Say where one runbook is; the token comes with it.

        Notebook 7 (`notebooks`) and Voila (`voila/render`) show it on the same server.
        """
        info = self._info()
        return f"{info['url']}{view}/{notebook}.ipynb?reset&token={info['token']}"

    def renew(self) -> None:
        """Have it as it was at its start: no kernels, runbooks as they are shipped, nothing remembered."""
        for kind in ("sessions", "kernels"):  # Voila's kernels have no session
            for running in self._api("GET", kind):
                self._api("DELETE", f"{kind}/{running['id']}")
        for name in ("notebooks", "settings", "workspaces", "state"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        copy_runbooks(self.folder / "notebooks")

    def _info(self) -> dict[str, Any]:
        found = next(self.opens.parent.glob("jpserver-*.json"))
        return dict(json.loads(found.read_text(encoding="utf-8")))

    def _api(self, method: str, what: str) -> Any:
        info = self._info()
        request = Request(f"{info['url']}api/{what}", method=method)  # noqa: S310 (it is our own server)
        request.add_header("Authorization", f"token {info['token']}")
        with urlopen(request, timeout=CALL_SECONDS) as answer:  # noqa: S310
            return json.loads(answer.read() or "null")


def copy_runbooks(folder: Path) -> None:
    """Copy the runbooks of this repository, so that a browser may change them."""
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns(".*"))


def command() -> str:
    """Ask make for the command behind `make lab`, without the set-up that has been made already."""
    options = "--no-browser --expose-app-in-browser --LabApp.extension_manager=readonly"
    options += " --JupyterNotebookApp.expose_app_in_browser=True"
    made = ("system", ".venv/stamp", "kvmkit/forms/xterm/xterm.js")
    asked = ["make", "-n", "-s", *(f"--old-file={name}" for name in made), "lab"]
    variables = [f"BIN={ROOT / '.venv/bin'}", f"LAB_ARGS={options}"]
    told = subprocess.run([*asked, *variables], cwd=ROOT, capture_output=True, text=True, check=True)
    return told.stdout


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Server]:
    """Start it, wait until it says where to open it, and end it with its kernels."""
    copy_runbooks(folder / "notebooks")
    places = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    places |= {"JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_CONFIG_DIR": "config", "XDG_STATE_HOME": "state"}
    environment = os.environ | {name: str(folder / value) for name, value in places.items()}
    argv = ["sh", "-c", f"exec {command()}"]
    with started(argv, folder, environment, folder / "log") as process:
        yield Server(folder, opened(process, folder / "runtime", folder / "log"))


@contextlib.contextmanager
def started(
    argv: list[str], cwd: Path, environment: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command that starts a JupyterLab, with its output in a file; at the end it ends its kernels."""
    with log.open("w") as output:
        process = subprocess.Popen(argv, cwd=cwd, env=environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(CALL_SECONDS)
        finally:
            process.kill()


def opened(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> Path:
    """Wait for the file that Jupyter has the browser open: it leads where the printed address does."""

    def look() -> Path | None:
        if process.poll() is not None:
            raise AssertionError(f"JupyterLab ended: {log.read_text()}")
        return next(runtime.glob("jpserver-*-open.html"), None)

    found = wait_until(look, "JupyterLab is up", CALL_SECONDS, saw=log.read_text)
    assert found
    return found


def wait_for_kernel(page: Page) -> None:
    """Wait until the notebook in the page can run."""
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.context?.sessionContext")
    page.evaluate(READY)


def in_front(page: Page) -> Locator:
    """Give the notebook that is seen, of those that are open."""
    return page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")


def run(page: Page, command: str = "notebook:run-all-cells") -> None:
    """Run cells by Lab's command, which resolves when they have run; the menu's entry does not wait."""
    page.evaluate("name => window.jupyterapp.commands.execute(name)", command)
