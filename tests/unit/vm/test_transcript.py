"""What went over a console, as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmkit.vm.transcript import readable


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (
            b"Debian GNU/Linux 12 web1 ttyS0\r\n\r\nweb1 login: ",
            "Debian GNU/Linux 12 web1 ttyS0\n\nweb1 login: ",
        ),
        (b"\x1b[0;32mok\x1b[0m \x1b[?2004hdone\x1b[K", "ok done"),
        (b"\x1b]0;root@web1: ~\x07root@web1:~# ", "root@web1:~# "),
        (b"\x1bP+q544e\x1b\\\x1b(Btext\x1b=\x1b>", "text"),
        # A shell rubs out by moving back, and by writing a space over it.
        (b"/ # unane\x08\x1b[J\x08\x1b[Jme", "/ # uname"),
        (b"ab\x08 \x08c", "ac"),
        (b"one\n\x08\x08two", "one\ntwo"),
        (b"10 %\r20 %\r\n", "10 %\n20 %\n"),
        (b"bell\x07 and nothing\x00", "bell and nothing"),
        ("Grüße".encode(), "Grüße"),
        (b"a byte \xff of no character", "a byte � of no character"),
        # A transcript may begin or end in the middle of a sequence.
        (b"31mred\x1b[", "31mred["),
    ],
)
def test_it_reads_as_a_person_saw_it(raw: bytes, text: str) -> None:
    assert readable(raw) == text


@given(st.binary())
def test_whatever_comes_is_text_without_control_characters(raw: bytes) -> None:
    assert all(character in "\n\t" or character >= " " for character in readable(raw))


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_text_stays_text(text: str) -> None:
    assert readable(text.encode()) == text
