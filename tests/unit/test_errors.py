"""Errors are caught by one root or by Python's own names, and show as one line in a notebook."""

import inspect

import pytest

import kvmkit as kk
from kvmkit import errors

ALL = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, Exception)]


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_has_the_one_root_and_its_place_in_the_tree(error: type[Exception]) -> None:
    assert issubclass(error, kk.KvmkitError)
    assert error.__name__ in (errors.__doc__ or "")
    assert getattr(kk, error.__name__) is error


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        *((kk.InvalidURI, ValueError), (kk.InvalidSpec, ValueError), (kk.NotFound, LookupError)),
        *((kk.ShutdownTimeout, TimeoutError), (kk.CommandTimeout, TimeoutError)),
        *((kk.HostUnavailable, ConnectionError), (kk.CommandTimeout, kk.CommandFailed)),
    ],
)
def test_who_does_not_know_kvmkit_can_catch_it(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)


def test_an_invalid_spec_tells_every_field() -> None:
    error = kk.InvalidSpec({"name": "taken", "bridge": "not there"})

    assert error.errors == {"name": "taken", "bridge": "not there"}
    assert str(error) == "name: taken; bridge: not there"


@pytest.mark.parametrize(
    ("stdout", "stderr", "said"),
    [
        ("out\n", "first\nlast\n", "last"),
        ("only out\n", " \n", "only out"),
        ("", "", "it printed nothing"),
        ("", "x" * 9999, "x" * 500),
    ],
)
def test_a_failed_command_says_the_last_thing_that_it_said(stdout: str, stderr: str, said: str) -> None:
    error = kk.CommandFailed(["ls", "x" * 9999], 2, stdout, stderr, "qemu:///system")

    assert str(error).startswith("command failed with exit code 2 on qemu:///system: ls xxx")
    assert str(error).endswith(f": {said}")
    assert len(str(error)) < 800


def test_a_notebook_shows_one_line_and_no_traceback() -> None:
    error = kk.NotFound("no VM 'web1' on test:///default; it has: demo")

    assert error._render_traceback_() == ["NotFound: no VM 'web1' on test:///default; it has: demo"]
