"""What the project promises itself about its own files."""

import ast
import inspect
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
import yaml
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import kvmkit
from tests import written
from tests.run import not_compared

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# Of numpydoc's checks those that say whether something is described at all; the rest is taste.
DESCRIBED = {
    "GL08": "has no docstring",
    "PR01": "leaves parameters undescribed",
    "PR02": "describes parameters that it does not have",
    "PR07": "names a parameter and says nothing about it",
    "RT01": "does not say what it returns",
    "SS01": "has no summary",
}


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]


def test_conda_environment_agrees_with_pyproject() -> None:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    project = PYPROJECT["project"]
    wanted = [
        *project["dependencies"],
        *project["optional-dependencies"]["lab"],
        *PYPROJECT["dependency-groups"]["test"],
    ]

    assert [*wanted, "-e ."] == pip
    assert f"python{project['requires-python']}" in entries


def test_the_lock_has_an_exact_version_of_every_requirement() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, flags=re.MULTILINE))
    groups = [
        PYPROJECT["project"]["dependencies"],
        *PYPROJECT["project"]["optional-dependencies"].values(),
        *PYPROJECT["dependency-groups"].values(),
    ]
    required = {re.split(r"[<>=~\[ ]", entry)[0].lower() for group in groups for entry in group}

    assert required <= locked
    assert "://" not in lock
    assert "file:" not in lock


@pytest.mark.parametrize(
    "name", [name for name in kvmkit.__all__ if inspect.isroutine(getattr(kvmkit, name))]
)
def test_every_public_function_is_described(name: str) -> None:
    public = getattr(kvmkit, name)
    found = validate(f"{public.__module__}.{public.__qualname__}")["errors"]

    assert not [f"{DESCRIBED[code]}: {text}" for code, text in found if code in DESCRIBED]


@pytest.mark.parametrize("name", [name for name in kvmkit.__all__ if inspect.isclass(getattr(kvmkit, name))])
def test_every_public_class_is_described(name: str) -> None:
    public = getattr(kvmkit, name)
    described = NumpyDocString(inspect.getdoc(public) or "")
    # One entry may describe several fields: "argv, exit_code".
    entries = [*described["Attributes"], *described["Parameters"]]
    names = {part.strip() for entry in entries for part in entry.name.split(",")}
    fields = getattr(public, "model_fields", None) or getattr(public, "__dataclass_fields__", {})
    own = [
        key for key, value in vars(public).items() if isinstance(value, FunctionType | property | classmethod)
    ]

    assert described["Summary"]
    assert set(fields) <= names
    assert not [key for key in own if not key.startswith("_") and not inspect.getdoc(getattr(public, key))]


def test_public_names_are_listed_once() -> None:
    assert len(kvmkit.__all__) == len(set(kvmkit.__all__))
    # The two tests above look at classes and functions only.
    assert all(
        inspect.isclass(public) or inspect.isroutine(public)
        for public in (getattr(kvmkit, name) for name in kvmkit.__all__)
    )


def test_there_are_runbooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_of_a_runbook_ran_and_none_failed(notebook: Path) -> None:
    cells = code_cells(notebook)
    counts = [cell["execution_count"] for cell in cells]
    failed = [
        output["evalue"] for cell in cells for output in cell["outputs"] if output["output_type"] == "error"
    ]

    # nbval compares nothing of a cell that has no count. Counts in order say that it ran from top to bottom.
    assert counts == list(range(1, len(cells) + 1))
    assert not failed


def test_the_cells_that_are_not_compared_are_those_that_the_list_names() -> None:
    loose = {"nbval-skip", "nbval-ignore-output"}
    tagged = [
        (notebook.stem, cell["id"])
        for notebook in NOTEBOOKS
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        if loose & set(cell["metadata"].get("tags", ()))
    ]

    assert tagged == not_compared()
    assert len(tagged) <= 5


# For an interpreter of its own. Audit events are Python's own record of what is opened; libvirt's calls are C
# and leave none, so they are replaced before kvmkit can take them.
IMPORT_AND_TELL = """
import sys
import libvirt
import plumbum  # asks `uname -p` for the processor's name

OPENS = {"socket.connect", "socket.bind", "subprocess.Popen", "os.fork"}

def tell(event, args=()):
    writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    byte_code = writes and "__pycache__" in str(args[0])
    if (writes and not byte_code) or event in OPENS:
        sys.stderr.write(f"{event} {args}\\n")

for name in ("open", "openAuth", "openReadOnly"):
    setattr(libvirt, name, lambda *args, name=name: sys.stderr.write(f"libvirt.{name} {args}\\n"))
sys.addaudithook(tell)
import kvmkit
"""


def test_importing_prints_nothing_and_opens_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_AND_TELL], cwd="/", capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_file_names_a_package_registry_or_a_folder_of_somebodys_machine() -> None:
    # Put together here, so that this file does not name them.
    hosts = ["pypi" + ".org", "python" + "hosted.org", "debian" + ".org/debian", "deb.debian" + ".org"]
    hosts += ["security.debian" + ".org", "registry." + "npmjs", "archive.ubuntu" + ".com"]
    forbidden = re.compile("|".join(map(re.escape, [*hosts, f"{ROOT}/"])) + r"|/home/(?!user\b|me\b)\w+/")
    hits = []
    for path in tracked_files():
        if path.is_symlink() or path.suffix in {".png", ".gz", ".xz"}:
            continue
        text = path.read_text(encoding="utf-8")
        hits += [f"{path.relative_to(ROOT)}: {found.group()}" for found in forbidden.finditer(text)]

    assert not hits


def test_every_make_target_explains_itself() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    assert phony
    shown = written.run("make help").stdout

    # A target with a pattern, shown as run-NAME, cannot be phony.
    assert {line.split()[1] for line in shown.splitlines() if line.startswith("  make ")} == {
        *phony[1].split(),
        "run-NAME",
    }


def parsed_modules() -> list[tuple[str, ast.AST]]:
    files = sorted((ROOT / "kvmkit").rglob("*.py"))
    return [(str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))) for file in files]


def test_only_one_module_makes_markup_of_names() -> None:
    element = re.compile(
        r"</?(a|b|p|i|br|ul|li|div|span|pre|code|img|table|t[rhd]|details|summary|textarea)\b"
    )
    display = {"Markdown", "HTML", "Latex", "Math", "Javascript", "SVG", "display_html", "display_markdown"}
    shows = re.compile("_repr_(markdown|latex|javascript|svg|json|pretty)_")
    hits = []
    for name, tree in parsed_modules():
        literals = {
            ast.unparse(target)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
        }
        for node in ast.walk(tree):
            found = ""
            if isinstance(node, ast.FunctionDef) and shows.fullmatch(node.name):
                found = f"{node.name}: no reader of such a text takes all names for names"
            elif isinstance(node, ast.JoinedStr) and element.search(ast.unparse(node)):
                found = "HTML in an f-string: kvmkit.safe.html fills a template"
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("html"):
                found = "kvmkit.safe.html escapes"
            elif isinstance(node, ast.ImportFrom) and node.module == "IPython.display":
                found = ", ".join(display & {alias.name for alias in node.names})
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("html", "Markup"):
                literal = isinstance(node.args[0], ast.Constant) or ast.unparse(node.args[0]) in literals
                found = "" if literal or name == "kvmkit/safe.py" else "a template is no value"
            if found:
                hits.append(f"{name}:{getattr(node, 'lineno', 0)}: {found}")

    assert not hits


def test_what_shows_itself_does_so_by_the_one_module() -> None:
    safe = {"plain", "one_line", "indented", "page", "NotImplementedError"}
    hits = []
    for name, tree in parsed_modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name in (
                "__repr__",
                "__str__",
                "_repr_html_",
                "_html",
            ):
                called = {
                    getattr(call.func, "id", "") for call in ast.walk(node) if isinstance(call, ast.Call)
                }
                names = {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}
                if not safe & (called | names):
                    hits.append(f"{name}:{node.lineno}: {node.name}")

    assert sorted(hits) == []


UNBOUNDED = {
    "libvirt.open": {"kvmkit/host.py", "kvmkit/practice.py"},
    "libvirt.openAuth": set(),
    "libvirt.openReadOnly": set(),
    "libvirt_qemu.qemuAgentCommand": set(),
    "urllib.request.urlopen": set(),
    "ThreadPoolExecutor": set(),
}
"""Calls that may wait for ever, and the files that bound them: kvmkit.calls makes libvirt's end."""
NEEDS_BOUND = {"create_connection", "urlopen"}
WAITS = {"join", "wait", "result", "acquire", "communicate"}
"""Methods that wait for ever when they are given nothing."""
ENDS_BY_ITSELF = {
    ("kvmkit/commands.py", "wait"),  # of a process that has ended or was killed
    ("kvmkit/vm/session.py", "join"),  # its thread only makes calls that end
    ("kvmkit/install/serving.py", "join"),  # the server was told to end
    ("kvmkit/forms/screen.py", "join"),  # its thread only makes calls that end
    ("kvmkit/calls.py", "result"),  # it has come
}


def test_nothing_waits_without_a_bound() -> None:
    found = set()
    for path in sorted((ROOT / "kvmkit").rglob("*.py")):
        name = str(path.relative_to(ROOT))
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            said = ast.unparse(call.func)
            last, given = said.rpartition(".")[2], {keyword.arg for keyword in call.keywords}
            if said in UNBOUNDED and name not in UNBOUNDED[said]:
                found.add(f"{name}: {said}")
            if last in NEEDS_BOUND and "timeout" not in given and len(call.args) < 2:
                found.add(f"{name}: {said} without a timeout")
            bounded = call.args or {"timeout", "blocking"} & given or (name, last) in ENDS_BY_ITSELF
            if last in WAITS and isinstance(call.func, ast.Attribute) and not bounded:
                found.add(f"{name}: {said}() without a bound")

    assert found == set()
