"""A JupyterLab as `make lab` starts it, on a copy of the runbooks, and what a person does in it."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240
"""Bound of each wait; each takes a second or two."""

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-sync",
]

# Nothing is asked of other servers, and all cells are in the page, also those out of sight.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}

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
    """A running JupyterLab: where a browser opens it, and the state that its kernels share."""

    opens: str
    state: Path

    def url(self, notebook: str, view: str = "lab/tree") -> str:
        """Say where one runbook is; the token comes with the page that `opens` leads to.

        Notebook 7 (`notebooks`) and Voila (`voila/render`) show it on the same server.
        """
        info = json.loads(next(Path(self.opens).parent.glob("jpserver-*.json")).read_text(encoding="utf-8"))
        return f"{info['url']}{view}/{notebook}.ipynb?reset&token={info['token']}"


def command() -> list[str]:
    """Ask make for the command behind `make lab`, without the set-up that has been made already."""
    options = "--no-browser --expose-app-in-browser --LabApp.extension_manager=readonly"
    options += " --JupyterNotebookApp.expose_app_in_browser=True"
    made = ("system", ".venv/stamp", "kvmkit/forms/xterm/xterm.js")
    asked = ["make", "-n", "-s", *(f"--old-file={name}" for name in made), "lab"]
    variables = [f"BIN={ROOT / '.venv/bin'}", f"LAB_ARGS={options}"]
    told = subprocess.run([*asked, *variables], cwd=ROOT, capture_output=True, text=True, check=True)
    return shlex.split(told.stdout)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Server]:
    """Start it, wait until it says where to open it, and end it with its kernels."""
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
    for name, values in SETTINGS.items():
        path = folder / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    places = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    places |= {"JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_CONFIG_DIR": "config", "XDG_STATE_HOME": "state"}
    environment = os.environ | {name: str(folder / value) for name, value in places.items()}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command(), cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield Server(str(_opened(folder, process)), folder / "state")
        finally:
            process.terminate()  # at which it ends its kernels
            process.wait(SECONDS)


def _opened(folder: Path, process: subprocess.Popen[bytes]) -> Path:
    """Wait for the file that Jupyter has the browser open: it leads where the printed URL does."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for path in (folder / "runtime").glob("jpserver-*-open.html"):
            return path
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start: {(folder / 'log').read_text()}")


@contextlib.contextmanager
def browser_page(chromium: str) -> Iterator[Page]:
    """Open a page in a browser with a profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        page = browser.new_page(viewport={"width": 1280, "height": 1100})
        page.context.set_default_timeout(SECONDS * 1000)
        expect.set_options(timeout=SECONDS * 1000)
        try:
            yield page
        finally:
            browser.close()


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
