"""What guests send, of ill will or by chance: a value or an error of kvmkit's, in time that grows with it."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from kvmkit.install.watch import ended_by_itself, last_words, question, stages, trouble
from kvmkit.safe import plain
from kvmkit.vm.transcript import readable

PIECES = [
    b"\x1b[",
    b"\x1b]",
    b"\x1bP",
    b"\x9b",
    b"\xc2\x9b",
    b"\xc2\x90",
    b"\x07",
    b"\x1b\\",
    b"\b",
    b"\r",
    b"\n",
]
PIECES += [
    b"0;",
    b"99999999",
    b"m",
    b"b",
    b" ",
    b"a",
    b"\xff",
    b"\xe2\x80\xae",
    b"anaconda 1 ",
    b"----\n",
    b">",
]
PIECES += [b"Linux version 6", b"can't open ", b"Unable to ", b"Creating ", b"reboot: ", b"[!!] "]
CONSOLE = st.one_of(st.binary(), st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join))

# 256 KiB each. A pattern that goes over a line from each of its characters would take minutes for one:
# the limit is the processor's own count of what this process used, which other work does not raise.
IN_TIME = """
import resource
from kvmkit.install.watch import ended_by_itself, last_words, question, stages, trouble
from kvmkit.vm.transcript import readable

resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
for piece in %r:
    for end in (b"", b"\\b"):
        said = piece * (2**18 // len(piece)) + end
        text = readable(said)
        for read in (stages, trouble, question, ended_by_itself, last_words):
            read(text)
            read(said.decode("latin-1"))
print("done")
"""
LINES = [
    b"a",
    b" ",
    b"a\b",
    b"\x1b[0;1",
    b"\x1b]0;x",
    b"\x1bP",
    b"\xc2\x90",
    b"\xc2\x9b1;",
    b"\x1b ",
    b"\n",
    b"0;1 ",
]
LINES += [
    b"anaconda ",
    b"anaconda 1 .",
    b"can't ",
    b"Creating a",
    b"\n---\n",
    b"Unable to open the ",
    b"reboot: ",
]


@given(CONSOLE)
def test_a_console_is_read_whatever_it_says(said: bytes) -> None:
    text = readable(said)
    assert text == plain(text)
    assert "\r" not in text
    assert len(text) <= 10 * len(said)
    assert len(stages(text)) <= text.count("\n") + text.count(" ")
    for read in (trouble, question, last_words):
        assert len(read(text)) <= 12 * 1200
    assert ended_by_itself(text) in (True, False)


def test_a_console_is_read_in_time_that_grows_as_it_does() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_TIME % LINES], capture_output=True, text=True, check=False, timeout=900
    )
    assert done.stdout == "done\n", (done.returncode, done.stderr)
