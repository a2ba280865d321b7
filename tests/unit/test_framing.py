"""What a host's users choose cannot pose as structure of what a script prints."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvmkit as kk
from kvmkit.framing import framed_script, split_sections, unescaped

SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]
HOSTILE = [
    "a\n### transactions\nb",
    "a\\n### transactions",
    "a\x0c### transactions",
    "a\u2028### end\r### x",
    "|",
    "# x",
    "",
]


def run(shell: list[str], script: str, *words: str) -> str:
    # Not as text: Python would make line ends of carriage returns.
    given = (framed_script() + script).encode()
    ran = subprocess.run([*shell, "-s", *words], input=given, capture_output=True, check=True)
    assert ran.stderr == b""
    return ran.stdout.decode()


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_whatever_is_printed_below_a_heading_stays_below_it(shell: list[str]) -> None:
    said = run(shell, 'section first say "$@"\nsection second printf "%s" "$1"\nsection last :', *HOSTILE)

    assert split_sections(said) == {
        "first": " ".join(HOSTILE).split("\n"),
        "second": HOSTILE[0].split("\n"),
        "last": [],
    }


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_heading_of_two_lines_is_left_out_with_what_is_below(shell: list[str]) -> None:
    assert split_sections(run(shell, 'section "$1" echo x\nsection last :', HOSTILE[0])) == {"last": []}


@given(
    names=st.lists(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])), max_size=5)
)
def test_escaped_names_come_back(names: list[str]) -> None:
    given = "".join(f"{name}\0" for name in names).encode()
    ran = subprocess.run(
        ["sh", "-c", f"{framed_script()}\nescaped"], input=given, capture_output=True, check=True
    )
    assert [unescaped(line) for line in ran.stdout.decode().split("\n")[:-1]] == names


@pytest.mark.parametrize("text", ["### a\nx\n", "### a\n\n|x\n### a\n"])
def test_what_no_script_prints_is_refused(text: str) -> None:
    with pytest.raises(kk.KvmkitError):
        split_sections(text)


@given(st.text())
def test_any_text_ends_in_sections_or_an_error_of_ours(text: str) -> None:
    try:
        found = split_sections(text)
    except kk.KvmkitError:
        return
    assert len(found) == sum(line.startswith("### ") for line in text.split("\n"))


def test_every_script_whose_sections_are_read_prints_its_headings_by_section() -> None:
    scripts = Path(kk.__file__).parent.rglob("*.sh")
    assert [path.name for path in scripts if '"### ' in path.read_text() and path.name != "framing.sh"] == []
