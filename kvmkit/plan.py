"""Step and Plan: what would change and how it is undone, as data."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from markupsafe import Markup
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from kvmkit.drawing import as_image
from kvmkit.safe import html, indented, joined, page, plain, table

__all__ = ["Plan", "Step"]

Text = Annotated[str, AfterValidator(plain)]
"""For people alone: with names that others chose."""


class Step(BaseModel):
    """One change.

    Attributes
    ----------
    action
        The name under which the code that makes it is registered.
    title, undo
        What it does and how that is taken back, for a person.
    lost
        What can't be taken back, for a person; empty if everything can.
    ask
        What a person who is there is asked before it is made; without one it is made at once.
    ask_seconds
        How long there is to answer, counted from the beginning of the step before.
    args
        What the action needs to know; plain data, kept in the journal.
    secrets
        What the action needs to know and nobody else: never shown, never kept.
    """

    # What validates it is built when it is first used: importing kvmkit is quicker for it.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    action: str
    title: Text
    undo: Text = ""
    lost: Text = ""
    ask: Text = ""
    ask_seconds: float = 0
    args: dict[str, Any] = Field(default_factory=dict)
    secrets: dict[str, SecretStr] = Field(default_factory=dict, exclude=True, repr=False)


class Plan(BaseModel):
    """Steps on one host, in order.  It carries the host's URI, has no effect and can be kept as JSON.

    Attributes
    ----------
    uri
        The host.
    title
        What it is for.
    steps
        What would change.
    notes
        What the reader should know: choices made, values adjusted, warnings.
    shown
        Title to text: the command and the XML that the plan stands for.
    picture, svg
        A drawing of what changes, as text and, for a notebook, as SVG; empty without one.
    generated
        UUIDs and MAC addresses made up while planning: they are not part of the id.
    foot
        How the host stands, and what to do now: its last line when it is shown.
    """

    model_config = Step.model_config

    uri: str
    title: Text
    steps: tuple[Step, ...]
    notes: tuple[Text, ...] = ()
    shown: dict[Text, Text] = Field(default_factory=dict)
    picture: Text = ""
    svg: str = ""
    generated: tuple[str, ...] = ()
    foot: Text = Field(default="Nothing has been changed yet. kk.apply(plan) does it.", exclude=True)

    @property
    def id(self) -> str:
        """``p`` and nine hexadecimal digits: the same host and the same steps give the same id.

        The letter keeps YAML, and with it papermill, from taking an id such as 1234e56789 for a number.
        """
        steps = [step.model_dump(include={"action", "args"}) for step in self.steps]
        text = json.dumps([self.uri, steps], sort_keys=True)
        for value in self.generated:
            text = text.replace(value, "")
        return f"p{hashlib.sha256(text.encode()).hexdigest()[:9]}"

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps

    def _rows(self) -> list[tuple[str, str]]:
        return [
            (step.title, f"cannot be undone: {step.lost}" if step.lost else f"undo: {step.undo}")
            for step in self.steps
        ]

    @property
    def _head(self) -> str:
        return f"Plan {self.id} on {self.uri}: {self.title}"

    @property
    def _foot(self) -> str:
        if self.empty:
            return "Nothing to do: the host is already so."
        return plain(self.foot)  # of a copy it has not been validated

    def __repr__(self) -> str:
        lines = [indented(self._head)]
        for number, (title, back) in enumerate(self._rows(), 1):
            lines += [indented(f"  {number}. {title}"), indented(f"     {back}")]
        lines += [f"  {line}".rstrip() for line in self.picture.splitlines()]
        lines += [indented(f"  note: {note}") for note in self.notes]
        return "\n".join([*lines, indented(self._foot)])

    __str__ = __repr__

    def _repr_html_(self) -> Markup:
        rows = [(number, *told) for number, told in enumerate(self._rows(), 1)]
        steps = table(("", "step", "way back"), rows) if rows else ""
        notes = joined(html("<li>{}</li>", note) for note in self.notes)
        shown = joined(
            html("<details><summary>{}</summary><pre>{}</pre></details>", *titled)
            for titled in self.shown.items()
        )
        picture = as_image(self.svg, self.picture) if self.svg else ""
        template = "<p><b>{}</b></p>{}{}<ul>{}</ul>{}<p>{}</p>"
        return page(html(template, self._head, steps, picture, notes, shown, self._foot))
