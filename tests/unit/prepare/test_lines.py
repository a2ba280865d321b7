"""Lines of a file are set as a person would: in place, with the rest as it was."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmkit.practice import recorded
from kvmkit.prepare.lines import edited

QEMU_CONF = recorded("practice-qemu.conf")


@pytest.mark.parametrize(
    ("before", "lines", "after"),
    [
        ("#user = 'qemu'\n", {"user": 'user = "root"'}, 'user = "root"\n'),
        ("# user = 'qemu'\n", {"user": 'user = "root"'}, 'user = "root"\n'),
        ("user='qemu' # ours\n", {"user": 'user = "root"'}, 'user = "root" # ours\n'),
        ("  user = 'a'\nuser = 'b'\n", {"user": "user = 'c'"}, "user = 'c'\nuser = 'b'\n"),
        ("#user = 'd'\nuser = 'a'\n", {"user": "user = 'c'"}, "#user = 'd'\nuser = 'c'\n"),
        ("#       user = 'a'\n", {"user": "user = 'c'"}, "#       user = 'a'\nuser = 'c'\n"),
        ("superuser = 1\n", {"user": "user = 'c'"}, "superuser = 1\nuser = 'c'\n"),
        ("a = 1", {"b": "b = 2"}, "a = 1\nb = 2\n"),
        ("", {"b": "b = 2"}, "b = 2\n"),
        ("a = 1\nb = 2\n", {"a": ""}, "#a = 1\nb = 2\n"),
        ("a = 1\na = 2\n", {"a": ""}, "#a = 1\n#a = 2\n"),
        ("#a = 1\n", {"a": ""}, "#a = 1\n"),
        ("a = [\n  'x',\n  'y'\n]\nb = 1\n", {"a": "a = [ 'z' ]"}, "a = [ 'z' ]\nb = 1\n"),
        ("a = [\n  'x'\n]\nb = 1\n", {"a": ""}, "#a = [\n#  'x'\n#]\nb = 1\n"),
        ("#a = [\n#  'x'\n#]\n", {"a": "a = [ 'z' ]"}, "a = [ 'z' ]\n#a = [\n#  'x'\n#]\n"),
        ("# A= can be\nA=on\nATYPE=x\n", {"A": "A=off"}, "# A= can be\nA=off\nATYPE=x\n"),
        ("a = 1\r\nb = 2\r\n", {"a": "a = 3"}, "a = 3\r\nb = 2\r\n"),
        ("a = \\1\n", {"a": "a = '\\1'"}, "a = '\\1'\n"),
    ],
)
def test_a_line_is_set_where_a_person_would_set_it(before: str, lines: dict[str, str], after: str) -> None:
    assert edited(before, lines) == after
    assert edited(after, lines) == after


def test_the_articles_four_lines_take_the_places_of_the_defaults() -> None:
    lines = {
        "vnc_listen": 'vnc_listen = "0.0.0.0"',
        "user": 'user = "root"',
        "group": 'group = "root"',
        "dynamic_ownership": "dynamic_ownership = 0",
    }
    old, new = QEMU_CONF.splitlines(), edited(QEMU_CONF, lines).splitlines()

    assert len(old) == len(new)
    changed = {was: now for was, now in zip(old, new, strict=True) if was != now}
    assert changed == {
        '#vnc_listen = "0.0.0.0"': 'vnc_listen = "0.0.0.0"',
        '#user = "libvirt-qemu"': 'user = "root"',
        '#group = "libvirt-qemu"': 'group = "root"',
        "#dynamic_ownership = 1": "dynamic_ownership = 0",
    }


def value_of(text: str, key: str) -> str:
    """Read a key as libvirt does: of two lines the first counts."""
    found = re.search(rf"^{key} = ([^\s#]+)", text, re.MULTILINE)
    return found[1] if found else ""


LINE = st.sampled_from(
    ["", "# prose", "#a = 1", "a = 1", "a = 'x' # y", "b = [ 'p', 'q' ]", "#b = 2", "ab = 3", "# a = 4"]
)


@given(st.lists(LINE), st.sampled_from(["a", "b", "c"]), st.integers())
def test_what_was_set_is_in_force_and_no_other_line_has_changed(
    lines: list[str], key: str, value: int
) -> None:
    before = "".join(f"{line}\n" for line in lines)
    after = edited(before, {key: f"{key} = {value}"})

    assert value_of(after, key) == str(value)
    assert len(set(before.splitlines()) - set(after.splitlines())) <= 1
    assert abs(len(after.splitlines()) - len(lines)) <= 1
    assert value_of(edited(after, {key: ""}), key) == ""


def test_a_bracket_in_a_comment_or_a_string_ends_no_list() -> None:
    text = 'a = [\n  "/dev/x", # not [this] one\n  "]",\n  \'#]\',\n  "/dev/y"\n]\nb = 1\n'
    assert edited(text, {"a": "a = []"}) == "a = []\nb = 1\n"
    assert edited(text, {"a": ""}) == "".join(f"#{line}\n" for line in text.splitlines()[:-1]) + "b = 1\n"
