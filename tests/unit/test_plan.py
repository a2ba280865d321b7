"""A plan is data: its id, what it shows, and what it never shows."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from kvmkit.plan import Plan, Step

UUID = "7c3c4f8a-63ca-5da2-bb74-dc6f8fc4553a"
MAC = "52:54:00:d1:d3:37"
HTML = "<script>alert('x')</script> & <b>"


def plan(**changes: Any) -> Plan:
    define = {
        "name": "web1",
        "uuid": UUID,
        "xml": f"<domain><uuid>{UUID}</uuid><mac address='{MAC}'/></domain>",
    }
    steps = (
        Step(action="volume-create", title="create volume", undo="delete it", args={"name": "web1.qcow2"}),
        Step(action="vm-define", title="define VM", undo="undefine it", args=define),
    )
    fields = {"uri": "qemu:///system", "title": "create VM web1", "steps": steps, "generated": (UUID, MAC)}
    return Plan(**(fields | changes))


def with_args(**args: Any) -> Plan:
    return plan(steps=(Step(action="a", title="t", args=args),))


def regenerated(value: Plan, uuid: str, mac: str) -> Plan:
    text = value.model_dump_json().replace(UUID, uuid).replace(MAC, mac)
    return Plan.model_validate_json(text)


def test_an_id_is_short_and_no_number_to_yaml() -> None:
    assert re.fullmatch("p[0-9a-f]{9}", plan().id)


def test_the_same_steps_have_the_same_id_whatever_was_generated() -> None:
    other = regenerated(plan(), "11111111-2222-3333-4444-555555555555", "52:54:00:00:00:01")

    assert other != plan()
    assert other.id == plan().id


def test_what_was_generated_counts_where_it_was_asked_for() -> None:
    asked = plan(generated=())

    assert asked.id != regenerated(asked, "11111111-2222-3333-4444-555555555555", MAC).id


def test_wording_does_not_change_the_id() -> None:
    steps = tuple(step.model_copy(update={"title": "other", "undo": "words"}) for step in plan().steps)

    assert plan(title="another", notes=("note",), shown={"a": "b"}, steps=steps).id == plan().id


@pytest.mark.parametrize(
    "other",
    [
        plan(uri="qemu:///session"),
        plan(steps=plan().steps[::-1]),
        plan(steps=plan().steps[:1]),
        plan(steps=(plan().steps[0], plan().steps[1].model_copy(update={"action": "vm-undefine"}))),
        plan(steps=(plan().steps[0].model_copy(update={"args": {"name": "web2.qcow2"}}), plan().steps[1])),
    ],
    ids=["host", "order", "fewer", "action", "argument"],
)
def test_another_host_or_other_steps_have_another_id(other: Plan) -> None:
    assert other.id != plan().id


@given(st.text(), st.text())
def test_arguments_that_differ_make_ids_that_differ(one: str, other: str) -> None:
    assert (with_args(x=one).id == with_args(x=other).id) == (one == other)


@given(st.text(), st.text())
def test_what_stands_in_one_argument_is_not_taken_for_two(one: str, other: str) -> None:
    assert with_args(x=one, y=other).id != with_args(x=f'{one}", "y": "{other}').id


def test_text_shows_each_step_its_way_back_and_that_nothing_was_done() -> None:
    lost = Step(action="volume-delete", title="delete volume", lost="all that is on it", undo="no")

    assert repr(plan(steps=(*plan().steps, lost), notes=("runs as kvm",))).splitlines() == [
        f"Plan {plan(steps=(*plan().steps, lost)).id} on qemu:///system: create VM web1",
        "  1. create volume",
        "     undo: delete it",
        "  2. define VM",
        "     undo: undefine it",
        "  3. delete volume",
        "     cannot be undone: all that is on it",
        "  note: runs as kvm",
        "Nothing has been changed yet. kk.apply(plan) does it.",
    ]


def test_an_empty_plan_says_that_there_is_nothing_to_do() -> None:
    assert plan(steps=()).empty
    assert not plan().empty
    assert repr(plan(steps=())).endswith("Nothing to do: the host is already so.")


def test_html_shows_what_text_shows_and_the_command_and_xml() -> None:
    shown = plan(notes=("a note",), shown={"The XML": "<domain/>"})._repr_html_()

    for text in (shown_id := plan().id, "create VM web1", "create volume", "undo: delete it", "a note"):
        assert text in shown, text
    assert shown_id in shown
    assert "<pre>&lt;domain/&gt;</pre>" in shown


@pytest.mark.parametrize("place", ["title", "uri", "notes", "shown", "step title", "step undo", "step lost"])
def test_html_escapes_everything_that_somebody_may_have_named(place: str) -> None:
    if place.startswith("step"):
        changed = plan(steps=(Step(**({"action": "a", "title": "t"} | {place.removeprefix("step "): HTML})),))
    else:
        changed = plan(**{place: {"notes": (HTML,), "shown": {HTML: HTML}}.get(place, HTML)})

    assert "<script>" not in changed._repr_html_()
    assert "&lt;script&gt;" in changed._repr_html_()


def test_secrets_are_nowhere_but_in_the_step() -> None:
    secret = Step(action="a", title="t", args={"user": "root"}, secrets={"password": SecretStr("hunter2")})
    with_secret = plan(steps=(secret,))
    shown = (
        repr(with_secret),
        with_secret._repr_html_(),
        with_secret.model_dump_json(),
        repr(secret),
        f"{secret}",
    )

    assert secret.secrets["password"].get_secret_value() == "hunter2"
    assert not [text for text in shown if "hunter2" in text or "password" in text]
    assert "password" not in str(with_secret.model_dump())
    assert with_secret.id == plan(steps=(secret.model_copy(update={"secrets": {}}),)).id


def test_a_plan_is_kept_and_read_back_whole() -> None:
    kept = json.loads(plan().model_dump_json())

    assert Plan.model_validate(kept) == plan()


@pytest.mark.parametrize("field", ["uri", "steps", "title"])
def test_a_plan_does_not_change(field: str) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(plan(), field, getattr(plan(), field))
