"""How the documentation is built: Sphinx, with the runbooks as the tutorials."""

import json
import shutil
from importlib.metadata import version as installed_version
from pathlib import Path

from pydantic import BaseModel
from sphinx.application import Sphinx

# Copied, because a link to the folder is followed and the pages then can't find one another.
here = Path(__file__).parent
shutil.rmtree(here / "tutorials/runbooks", ignore_errors=True)
shutil.copytree(
    here.parent / "notebooks",
    here / "tutorials/runbooks",
    ignore=shutil.ignore_patterns(".ipynb_checkpoints"),
)


def as_page(text: str) -> str:
    """Give a runbook as a page without a kernel shows it."""
    # Sphinx turns links of Markdown into those between pages, but not the links of the menu, which is HTML.
    book = json.loads(text.replace(".ipynb'>", ".html'>"))
    # A page has no anywidget. All such fields are for secrets: in a page they are empty.
    states = book["metadata"].get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    for model in states.get("state", {}).values():
        if model["model_module"] == "anywidget":
            kind = "Textarea" if model["state"]["rows"] else "Password"
            model.update(
                model_module="@jupyter-widgets/controls",
                model_module_version="2.0.0",
                model_name=f"{kind}Model",
            )
            kept = {name: model["state"][name] for name in ("_dom_classes", "description", "layout")}
            model["state"] = kept | {"_view_name": f"{kind}View"}
    return json.dumps(book, ensure_ascii=False)


for runbook in (here / "tutorials/runbooks").glob("*.ipynb"):
    runbook.write_text(as_page(runbook.read_text(encoding="utf-8")), encoding="utf-8")

project = "kvmkit"
copyright = "the kvmkit authors"
version = release = installed_version("kvmkit")

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
]
# Every reference to a public name must lead somewhere. Other libraries are not looked up, nor what a
# signature has from within a module.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!kvmkit\b).*"), ("py:(class|obj)", r"kvmkit\.\w+\..*")]

# Furo: one column for the text, which suits long runbooks, and it asks no other server for anything.
html_theme = "furo"
html_title = "kvmkit"
# tools/build-docs puts the widgets' JavaScript there.
html_static_path = ["_static", "../build/widgets"]
html_css_files = ["kvmkit.css"]
html_copy_source = False

# The pages show the outputs that are stored in the runbooks: those the tests compare cell by cell.
nb_execution_mode = "off"
nb_ipywidgets_js = {"embed.js": {}}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Prompts and outputs are no part of what is copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

autodoc_member_order = "groupwise"
# A class is described by its docstring; lists of inherited pydantic members say nothing about kvmkit.
numpydoc_show_class_members = False


def short_signature(
    _app: Sphinx, _what: str, _name: str, public: object, _options: object, signature: str, returns: str
) -> tuple[str, str]:
    """Give only the names of a pydantic model's fields: with their validators they fill a page."""
    if isinstance(public, type) and issubclass(public, BaseModel):
        signature = f"({', '.join(public.model_fields)})"
    return signature, returns


def setup(app: Sphinx) -> None:
    """Say what happens during a build."""
    app.connect("autodoc-process-signature", short_signature)
