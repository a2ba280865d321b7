"""form: a form made from the fields of a spec."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

import ipywidgets as widgets
from markupsafe import Markup
from pydantic import SecretStr
from traitlets import TraitError

from kvmkit.bridge.plan import plan_bridge
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.errors import InvalidSpec, KvmkitError
from kvmkit.forms.choices import choices
from kvmkit.forms.fields import blank, field_widget, help_texts, label
from kvmkit.forms.shown import FAINT, NO_SHORTCUTS, RED, Shown, copyable, message
from kvmkit.host import Host
from kvmkit.install.plan import plan_vm
from kvmkit.plan import Plan
from kvmkit.prepare.qemu_conf import QemuConfSpec, plan_qemu_conf
from kvmkit.prepare.repository import RepositorySpec, plan_repository
from kvmkit.prepare.selinux import SELinuxSpec, plan_selinux
from kvmkit.safe import html, joined, one_line, page, table
from kvmkit.spec import Spec
from kvmkit.vm.spec import VMSpec

__all__ = ["SpecForm", "form"]

S = TypeVar("S", bound=Spec)

PLANS: Mapping[type[Spec], Callable[[Host, Any], Plan]] = {
    BridgeSpec: plan_bridge,
    QemuConfSpec: plan_qemu_conf,
    RepositorySpec: plan_repository,
    SELinuxSpec: plan_selinux,
    VMSpec: plan_vm,
}
"""What makes a plan of a spec alone, and with it the commands and the XML that it stands for."""


def form(
    spec_class: type[S], host: Host | None = None, vm: SpecForm[VMSpec] | None = None, **defaults: Any
) -> SpecForm[S]:
    """Show a form for a spec: one field a line, its help or its error beside it.

    Under it stands the Python call that it is. *Preview* asks the host, which may object to a field, for the
    commands and the XML; nothing is changed by that.

    Parameters
    ----------
    spec_class
        What to fill in, for example :class:`VMSpec`.
    host
        Where to read what can be chosen (network cards, bridges, pools, networks, images and ISOs), and
        what a preview is made for.
    vm
        For :class:`InstallSpec`, the form of the VM that the system gets into: a preview is of both.
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
    return SpecForm(spec_class, host, vm, defaults)


class SpecForm(Shown, Generic[S]):
    """The widget that :func:`form` makes.

    Attributes
    ----------
    spec_class : type
        What is filled in.
    fields : dict
        Field name to its widget.
    errors : dict
        Field name to what is wrong with what it holds now.
    taken
        The spec that was last read from ``.spec``: what a plan was made from.  None before.
    """

    def __init__(
        self, spec_class: type[S], host: Host | None, vm: SpecForm[VMSpec] | None, defaults: dict[str, Any]
    ) -> None:
        self.spec_class, self._vm = spec_class, vm
        self.taken: S | None = None
        self.errors: dict[str, str] = {}
        self._choices = choices(host, spec_class) if host else {}
        self.fields = self._make_fields(defaults)
        self._help = help_texts(spec_class)
        # In a narrow window a note goes below its field.
        wide, wrapped = widgets.Layout(flex="1 1 240px"), widgets.Layout(flex_flow="row wrap")
        self._notes = {name: widgets.HTML(layout=wide) for name in self.fields}
        self._call = widgets.HTML(layout={"width": "auto"}).add_class("kvmkit-call")
        self._preview = widgets.HTML(layout={"width": "auto"}).add_class("kvmkit-previewed")
        self._button = widgets.Button(description="Preview").add_class("kvmkit-preview")
        for name, note in self._notes.items():
            note.add_class(f"kvmkit-{name}-note")
        for form in self._previewed:
            for field in form.fields.values():
                field.observe(self._seen(self._edited), names="value")
        rows = [widgets.HBox([self.fields[name], note], layout=wrapped) for name, note in self._notes.items()]
        preview: list[widgets.Widget] = []
        make = plan_vm if vm else PLANS.get(spec_class)
        if host and make:
            self._button.on_click(self._seen(partial(self._clicked, partial(make, host))))
            preview = [self._button, self._preview]
        super().__init__([*rows, self._call, *preview])
        self._edited()

    def _make_fields(self, defaults: dict[str, Any]) -> dict[str, Any]:
        known = self.spec_class.model_fields
        if unknown := [name for name in defaults if name not in known]:
            raise InvalidSpec({name: f"no such field; there are: {', '.join(known)}" for name in unknown})
        values = {name: blank(info) for name, info in known.items()} | defaults
        with contextlib.suppress(InvalidSpec):  # which the form is there to show
            # What can be read as the field's kind is: papermill's "512" is a number.
            values |= dict(self.spec_class(**values))
        try:
            return {n: field_widget(n, info, values[n], self._choices.get(n)) for n, info in known.items()}
        except TraitError:
            self.spec_class(**values)  # says which, and what was expected
            raise

    @property
    def _previewed(self) -> list[SpecForm[Any]]:
        """The forms that a preview is made from."""
        return [self._vm, self] if self._vm else [self]

    @property
    def values(self) -> dict[str, Any]:
        """What the fields hold now, valid or not."""
        known = self.spec_class.model_fields
        held = {name: widget.value for name, widget in self.fields.items()}
        return {n: SecretStr(v) if known[n].annotation is SecretStr else v for n, v in held.items()}

    @property
    def spec(self) -> S:
        """What was filled in, as a valid, frozen spec.

        Raises
        ------
        InvalidSpec
            Naming each wrong field, its value and what was expected.
        """
        self.taken = self.spec_class(**self.values)
        return self.taken

    def _edited(self, _change: object = None) -> None:
        self.judge({})
        self._preview.value = message(
            "The host is asked for the commands and the XML; nothing is changed.", FAINT
        )

    def judge(self, objections: Mapping[str, str]) -> None:
        """Say beside each field what is wrong with it, by itself or as objected to, or what it is for."""
        try:
            self.spec_class(**self.values)
            self.errors = {}
        except InvalidSpec as error:
            self.errors = error.errors
        for name, choice in self._choices.items():
            if (value := self.fields[name].value) in choice.unfit:
                self.errors.setdefault(name, f"{value!r}: {choice.unfit[value]}")
        self.errors |= objections
        for name, note in self._notes.items():
            wrong = self._wrong(name)
            note.value = message(wrong, RED) if wrong else self._help_html(name)
        self._call.value = self._call_html()

    def _help_html(self, name: str) -> Markup:
        """Give a field's help, and what the host has that cannot be chosen for it."""
        unfit = self._choices[name].unfit if name in self._choices else {}
        told = message(self._help.get(name, ""), FAINT)
        if not unfit:
            return told
        lines = joined((message(f"{value}: {why}", FAINT) for value, why in sorted(unfit.items())), "<br>")
        template = "{}<details><summary {}>cannot be chosen: {}</summary>{}</details>"
        return html(template, told, NO_SHORTCUTS, len(unfit), lines)

    def _clicked(self, make: Callable[..., Plan], _button: object) -> None:
        values = [form.values for form in self._previewed]
        self._in_background(partial(self._look, make, values), self._asking)

    def _asking(self) -> None:
        self._preview.value = message("The host is being asked …")

    def _look(self, make: Callable[..., Plan], values: list[dict[str, Any]]) -> None:
        """Show what the plan would stand for, or what the host objects to, unless it was edited meanwhile."""
        errors: dict[str, str] = {}
        try:
            specs = [form.spec_class(**held) for form, held in zip(self._previewed, values, strict=True)]
            plan = make(*specs)
            head = f"On {plan.uri}, not done yet: {plan.title}" if plan.shown else "Nothing to do."
            shown = message(head) + joined(copyable(title, text) for title, text in plan.shown.items())
        except KvmkitError as error:
            errors = error.errors if isinstance(error, InvalidSpec) else {}
            shown = message(f"{type(error).__name__}: {error}", RED)
        if [form.values for form in self._previewed] == values:
            self._preview.value = shown
            names = [name for form in self._previewed for name in form.fields]
            for form in self._previewed:
                # A name that both have could be meant as either's.
                form.judge({n: e for n, e in errors.items() if n in form.fields and names.count(n) == 1})

    def _wrong(self, name: str) -> str:
        """Give what is wrong with what a field holds; a blank one is not wrong yet: its help says more."""
        return "" if self.fields[name].value == "" else self.errors.get(name, "")

    def _call_html(self) -> Markup:
        return copyable("Python", repr(self), unfolded=True) + self._general()

    def _general(self) -> Markup:
        """Show what is wrong with no single field."""
        text = "; ".join(text for name, text in self.errors.items() if name not in self.fields)
        return message(text, RED) if text else html("")

    def __repr__(self) -> str:
        """Give the Python call that the form stands for."""
        fields, values = self.spec_class.model_fields, self.values
        told = [
            f"{name}={value!r}"
            for name, value in values.items()
            if (fields[name].is_required() or value != fields[name].default) and not fields[name].exclude
        ]
        return one_line(f"kk.{self.spec_class.__name__}({', '.join(told)})")

    def _value(self, name: str, value: object) -> str:
        """Give what a field holds as a page may keep it."""
        secret = self.spec_class.model_fields[name].exclude
        return "********" if secret and self.fields[name].value else "" if secret else str(value)

    def _html(self) -> Markup:
        rows = [
            (label(name), self._value(name, value), self._wrong(name) or self._help.get(name, ""))
            for name, value in self.values.items()
        ]
        told = html("{}<code>{}</code> {}", table(("", "", ""), rows), repr(self), self._general())
        return page(told)
