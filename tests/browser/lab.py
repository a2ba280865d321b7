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

from tests import written
from tests.browser.bounds import CALL_SECONDS
from tests.lab.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]

STARTED = "() => window.jupyterapp?.shell && window.jupyterapp.commands.hasCommand('docmanager:open')"
# Without the question whether to save.
CLOSE_ALL = """async () => {
    await window.jupyterapp.restored;
    for (const widget of [...window.jupyterapp.shell.widgets('main')]) widget.dispose();
}"""
OPEN = "path => window.jupyterapp.commands.execute('docmanager:open', { path })"
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

    def url(self, path: str) -> str:
        """Give the address of a page, such as ``notebooks/00-menu.ipynb``, with the token."""
        info = self._info()
        return f"{info['url']}{path}?token={info['token']}"

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


def make_lab(runbooks: Path, options: str = "") -> list[str]:
    """Give the command `make lab` for a copy of the runbooks; the environment for it is made already."""
    return written.argv("make lab", f"RUNBOOKS={runbooks}", f"LAB_ARGS=--no-browser {options}")


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Server]:
    """Start it, wait until it says where to open it, and end it with its kernels."""
    copy_runbooks(folder / "notebooks")
    places = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    places |= {"JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_CONFIG_DIR": "config", "XDG_STATE_HOME": "state"}
    environment = {name: str(folder / value) for name, value in places.items()}
    # By this a test can ask the page what Lab knows.
    options = "--expose-app-in-browser --JupyterNotebookApp.expose_app_in_browser=True"
    with started(make_lab(folder / "notebooks", options), environment, folder / "log"):
        yield Server(folder, next((folder / "runtime").glob("jpserver-*-open.html")))


@contextlib.contextmanager
def started(argv: list[str], environment: dict[str, str], log: Path) -> Iterator[str]:
    """Run `make lab` until it says its address, give that, and end it with its kernels.

    What it says goes to a file, `log`.
    """
    with log.open("w") as output:
        process = subprocess.Popen(argv, cwd=ROOT, env=os.environ | environment, stdout=output, stderr=output)

    def address() -> str:
        assert process.poll() is None, f"JupyterLab ended: {log.read_text()}"
        said = log.read_text().splitlines()
        return said[-1].strip() if said and "?token=" in said[-1] else ""

    try:
        yield wait_until(address, "the address as the last line of make lab", saw=log.read_text)
    finally:
        process.terminate()  # make hands it on, and waits for the server, which ends its kernels
        try:
            process.wait(CALL_SECONDS)
        finally:
            process.kill()


def wait_for_kernel(page: Page) -> None:
    """Wait until the notebook in the page can run."""
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.context?.sessionContext")
    page.evaluate(READY)


def open_lab(page: Page, server: Server) -> None:
    """Load JupyterLab, which takes longer than most tests, and leave nothing open in it."""
    page.goto(server.url("lab"))
    page.wait_for_function(STARTED)  # it takes an async function's promise for an answer, so none is given
    page.evaluate(CLOSE_ALL)


def open_runbook(page: Page, runbook: str) -> None:
    """Open a runbook in the JupyterLab of the page, and wait until it can run."""
    page.evaluate(OPEN, f"{runbook}.ipynb")
    wait_for_kernel(page)


def in_front(page: Page) -> Locator:
    """Give the notebook that is seen, of those that are open."""
    return page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")


def run(page: Page, command: str = "notebook:run-all-cells") -> None:
    """Run cells by Lab's command, which resolves when they have run; the menu's entry does not wait."""
    page.evaluate("name => window.jupyterapp.commands.execute(name)", command)


def choose(page: Page, menu: str, entry: str) -> None:
    """Choose from the menu bar."""
    page.locator(".lm-MenuBar-itemLabel").get_by_text(menu, exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text(entry, exact=True).click()
