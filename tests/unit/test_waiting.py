"""The waits of the tests themselves."""

import pytest

from tests.lab.waiting import wait_until


def test_a_wait_that_fails_says_what_it_saw_instead() -> None:
    with pytest.raises(TimeoutError, match=r"^not within 0 s: the prompt; instead: ''$"):
        wait_until(lambda: "", "the prompt", 0)
    with pytest.raises(TimeoutError, match=r"^not within 0 s: the prompt; instead: Kernel panic$"):
        wait_until(lambda: False, "the prompt", 0, saw=lambda: "Kernel panic")
    assert wait_until(lambda: "/ #", "the prompt", 0) == "/ #"
