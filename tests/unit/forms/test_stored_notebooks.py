"""The runbooks are stored as `make notebooks` stores them, not as an editor saved them."""

import re
from pathlib import Path

import nbformat
import pytest

from tools.notebooks import normalised

NOTEBOOKS = sorted((Path(__file__).resolve().parents[3] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_is_stored_that_differs_from_run_to_run(path: Path) -> None:
    stored = path.read_text(encoding="utf-8")

    assert normalised(nbformat.reads(stored, as_version=4)) == stored


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_run_in_any_order_meet_their_own_form_and_gate(path: Path) -> None:
    code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    names = re.findall(r"^(.+) = kk\.(?:apply_)?form\(", "\n".join(code), flags=re.MULTILINE)

    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_cell_that_an_unattended_run_stops_in_has_a_name(path: Path) -> None:
    """RunFailed names it; what an editor makes up says nothing."""
    ids = [cell.id for cell in nbformat.read(path, as_version=4).cells]

    assert [made_up for made_up in ids if re.fullmatch("[0-9a-f-]{8,}", made_up)] == []


def test_ids_of_widgets_and_versions_are_left_out() -> None:
    """Two runs' worth of ids of one form, the second with a widget that no cell shows."""
    texts: list[str] = []
    for view, child, more in (("a1b2", "c3d4", {}), ("ffff", "eeee", {"d00d": {"state": {"value": 1}}})):
        output = nbformat.v4.new_output(
            "display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": view}}
        )
        cell = nbformat.v4.new_code_cell("form", id="form", outputs=[output], execution_count=1)
        models = {
            child: {"state": {"value": "web1", "tooltip": None}},
            view: {"state": {"children": [f"IPY_MODEL_{child}"]}},
        }
        book = nbformat.v4.new_notebook(cells=[cell])
        book.metadata = nbformat.from_dict(
            {
                "language_info": {"name": "python", "version": f"3.{len(texts)}"},
                "widgets": {"application/vnd.jupyter.widget-state+json": {"state": more | models}},
            }
        )
        texts.append(normalised(book))

    assert texts[0] == texts[1]
    assert "web1" in texts[0]
    assert f"IPY_MODEL_{1:032x}" in texts[0]
