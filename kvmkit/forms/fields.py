"""One field of a spec as a widget: its kind, its label with the unit, its help."""

from __future__ import annotations

import inspect
import re
from typing import Any, Literal, get_args, get_origin

import ipywidgets as widgets
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from kvmkit.forms.choices import Choice
from kvmkit.forms.secret import Secret
from kvmkit.spec import Spec

__all__ = ["blank", "field_widget", "help_texts", "label"]

_WORDS = {"mib": "(MiB)", "gib": "(GiB)", "vcpus": "vCPUs", "cdrom": "CD-ROM", "vnc": "VNC", "os": "OS"}
_WORDS |= {"nic": "NIC", "dns": "DNS", "stp": "STP", "ssh": "SSH"}
_WORDS |= {"baseurl": "Base URL", "gpgcheck": "GPG check", "gpgkey": "GPG key"}
_BLANK: dict[Any, Any] = {str: "", int: 0, bool: False}


def label(name: str) -> str:
    """Give a field's label.

    >>> label("memory_mib"), label("vnc_port")
    ('Memory (MiB)', 'VNC port')
    """
    first, *rest = name.split("_")
    return " ".join([_WORDS.get(first, first.capitalize()), *(_WORDS.get(word, word) for word in rest)])


def help_texts(spec_class: type[Spec]) -> dict[str, str]:
    """Read each field's help from the class's docstring, section Attributes: said once, it serves both."""
    section = (inspect.getdoc(spec_class) or "").partition("Attributes\n----------\n")[2]
    entries = re.findall(r"^([\w, ]+) : .*\n((?: {4}.*\n?)+)", section, flags=re.MULTILINE)
    texts = {names: " ".join(text.split()).replace("`", "") for names, text in entries}
    return {name: text for names, text in texts.items() for name in names.split(", ")}


def field_widget(name: str, info: FieldInfo, value: Any, choice: Choice | None) -> Any:
    """Make the widget of one field.

    Raises
    ------
    traitlets.TraitError
        If the value is of a kind that such a widget cannot hold.
    """
    kind = info.annotation
    common = {
        "description": label(name),
        "style": {"description_width": "140px"},
        "layout": {"flex": "0 1 390px"},
    }
    if get_origin(kind) is Literal:
        widget = widgets.Dropdown(options=get_args(kind), value=value, **common)
    elif kind is bool:
        widget = widgets.Checkbox(value=value, **common)
    elif kind is int:
        widget = widgets.IntText(value=value, continuous_update=True, **common)
    elif info.exclude:
        lines = 3 if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("lines") else 0
        held = value.get_secret_value() if isinstance(value, SecretStr) else value
        widget = Secret(value=held, rows=lines, description=common["description"], layout=common["layout"])
    elif choice is not None:
        # A choice that still lets one type: what the host does not show may be there.
        widget = widgets.Combobox(value=value, options=choice.names, ensure_option=False, **common)
    elif isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("lines"):
        widget = widgets.Textarea(value=value, rows=3, **common)
    else:
        widget = widgets.Text(value=value, **common)
    return widget.add_class(f"kvmkit-{name}")


def blank(info: FieldInfo) -> Any:
    """Give what an untouched field holds: its default, or nothing yet."""
    return _BLANK[info.annotation] if info.is_required() else info.default
