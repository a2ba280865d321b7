"""form: a form made from the fields of a spec."""

from __future__ import annotations

import contextlib
from html import escape
from typing import Any, Generic, TypeVar

import ipywidgets as widgets
from traitlets import TraitError

from kvmkit.errors import InvalidSpec
from kvmkit.forms.fields import blank, choices, field_widget, help_texts, label
from kvmkit.forms.shown import GREY, RED, Shown, message
from kvmkit.host import Host
from kvmkit.spec import Spec

__all__ = ["SpecForm", "form"]

S = TypeVar("S", bound=Spec)


def form(spec_class: type[S], host: Host | None = None, **defaults: Any) -> SpecForm[S]:
    """Show a form for a spec: one field a line, its help or its error beside it.

    Parameters
    ----------
    spec_class
        What to fill in, for example :class:`VMSpec`.
    host
        Where to read what can be chosen: pools, networks, bridges, images and ISOs.
    **defaults
        What the fields hold at first; in a runbook, its parameters.

    Returns
    -------
    SpecForm
        Its ``.spec`` is what was filled in.

    Raises
    ------
    InvalidSpec
        If a default is for no field, or of a kind that its field cannot show.
    HostUnavailable, LibvirtFailed
        If the host cannot be asked.

    Examples
    --------
    >>> import kvmkit as kk
    >>> web1 = kk.form(kk.VMSpec, name="web1", memory_mib=512)
    >>> web1
    kk.VMSpec(name='web1', memory_mib=512)
    >>> web1.fields["memory_mib"].value = 2048
    >>> web1.spec.memory_mib
    2048
    """
    return SpecForm(spec_class, host, defaults)


class SpecForm(Shown, Generic[S]):
    """The widget that :func:`form` makes.

    Attributes
    ----------
    fields : dict
        Field name to its widget.
    errors : dict
        Field name to what is wrong with what it holds now.
    taken
        The spec that was last read from ``.spec``: what a plan was made from.  None before.
    """

    def __init__(self, spec_class: type[S], host: Host | None, defaults: dict[str, Any]) -> None:
        self._class = spec_class
        self.taken: S | None = None
        self.errors: dict[str, str] = {}
        self.fields = self._make_fields(host, defaults)
        self._help = help_texts(spec_class)
        self._notes = {name: widgets.HTML() for name in self.fields}
        self._call = widgets.HTML()
        for name, note in self._notes.items():
            note.add_class(f"kvmkit-{name}-note")
            self.fields[name].observe(self._judge, names="value")
        rows = [widgets.HBox([self.fields[name], note]) for name, note in self._notes.items()]
        super().__init__([*rows, self._call.add_class("kvmkit-call")])
        self._judge()

    def _make_fields(self, host: Host | None, defaults: dict[str, Any]) -> dict[str, Any]:
        known = self._class.model_fields
        if unknown := [name for name in defaults if name not in known]:
            raise InvalidSpec({name: f"no such field; there are: {', '.join(known)}" for name in unknown})
        values = {name: blank(info) for name, info in known.items()} | defaults
        options = choices(host, known) if host else {}
        with contextlib.suppress(InvalidSpec):  # which the form is there to show
            # What can be read as the field's kind is: papermill's "512" is a number.
            values |= self._class(**values).model_dump()
        try:
            return {n: field_widget(n, info, values[n], options.get(n)) for n, info in known.items()}
        except TraitError:
            self._class(**values)  # says which, and what was expected
            raise

    @property
    def values(self) -> dict[str, Any]:
        """What the fields hold now, valid or not."""
        return {name: widget.value for name, widget in self.fields.items()}

    @property
    def spec(self) -> S:
        """What was filled in, as a valid, frozen spec.

        Raises
        ------
        InvalidSpec
            Naming each wrong field, its value and what was expected.
        """
        self.taken = self._class(**self.values)
        return self.taken

    def _judge(self, _change: object = None) -> None:
        """Say beside each field what is wrong with it, as it is typed, or what it is for."""
        try:
            self._class(**self.values)
            self.errors = {}
        except InvalidSpec as error:
            self.errors = error.errors
        for name, note in self._notes.items():
            wrong = self._wrong(name)
            note.value = message(wrong, RED) if wrong else message(self._help.get(name, ""), GREY)
        self._call.value = self._call_html()

    def _wrong(self, name: str) -> str:
        """Give what is wrong with what a field holds; a blank one is not wrong yet: its help says more."""
        return "" if self.fields[name].value == "" else self.errors.get(name, "")

    def _call_html(self) -> str:
        """Show the Python call, and what is wrong with no single field of it."""
        general = [text for name, text in self.errors.items() if name not in self.fields]
        return f"<code>{escape(repr(self))}</code> {message('; '.join(general), RED)}"

    def __repr__(self) -> str:
        """Give the Python call that the form stands for."""
        fields, values = self._class.model_fields, self.values
        told = [
            f"{name}={value!r}"
            for name, value in values.items()
            if fields[name].is_required() or value != fields[name].default
        ]
        return f"kk.{self._class.__name__}({', '.join(told)})"

    def _html(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{escape(label(name))}</td>"
            f"<td style='text-align:left'>{escape(str(value))}</td>"
            f"<td style='text-align:left'>{escape(self._wrong(name) or self._help.get(name, ''))}</td></tr>"
            for name, value in self.values.items()
        )
        return f"<table>{rows}</table>{self._call_html()}"
