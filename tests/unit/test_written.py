"""Everything that is written down runs, or is listed with the reason why not; tests/written.py says how."""

import ast
from dataclasses import dataclass

import pytest

from tests import written
from tests.run import TIERS
from tests.written import ROOT

TESTED = (
    *(word for tier in TIERS for word in tier.pytest if word.startswith("tests/")),
    "tests/acceptance",
    "tests/long",
)
"""Where the tests stand that are run: by `make test`, or by a target of their own."""


@dataclass(frozen=True)
class Declared:
    """A call that runs a command which is written down."""

    where: str
    command: str | None
    """None: no literal string."""


def declared() -> list[Declared]:
    """Find the calls of `written.run` and `written.argv`, by the syntax of the tests."""
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        name = str(path.relative_to(ROOT))
        calls = [
            node
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("written.run", "written.argv")
        ]
        found += [Declared(f"{name}:{call.lineno}", literal(call)) for call in calls]
    return found


def literal(call: ast.Call) -> str | None:
    match call.args:
        case [ast.Constant(value=str(command)), *_]:
            return command
    return None


# The calls of this file show what `argv` refuses, and run nothing.
DECLARED = [call for call in declared() if not call.where.startswith("tests/unit/test_written.py")]


def test_each_command_is_run_by_a_test_or_listed_with_the_reason_why_not() -> None:
    run = {str(call.command) for call in DECLARED}
    if any(command.startswith("make run-") for command in run):
        run.add("make run-NAME")
    neither = {
        command: places
        for command, places in written.commands().items()
        if command not in run | written.not_run().keys()
    }

    assert not neither


def test_the_list_has_only_what_is_written_down_and_run_by_nobody() -> None:
    listed = written.not_run()

    assert not listed.keys() - written.commands().keys()
    assert not listed.keys() & {call.command for call in DECLARED}
    assert not [command for command, reason in listed.items() if len(reason.split()) < 4]


def test_what_a_test_runs_is_written_down_and_the_test_belongs_to_those_that_are_run() -> None:
    assert DECLARED
    assert not [call for call in DECLARED if call.command not in written.commands()]
    assert not [call for call in DECLARED if not call.where.startswith(TESTED)]


def test_a_command_that_is_not_written_down_is_not_run_as_if_it_were() -> None:
    with pytest.raises(AssertionError, match="'make nonsense' is written nowhere"):
        written.argv("make nonsense")
    with pytest.raises(AssertionError, match="'kvm1' does not stand in 'make help'"):
        written.argv("make help", given={"kvm1": "lab"})


def test_commands_are_found_in_consoles_and_in_sentences() -> None:
    page = """Type `make one
two`, and not `virsh start`.

```console
$ make lab     # opens the runbooks
what it says
$ make long \\
    words
```

1. Then:

   ```console
   $ ssh kvm1 true
   ```

```python
"$ make none"
```
"""

    assert written.commands_in(page) == ["make lab", "make long words", "ssh kvm1 true", "make one two"]


def test_what_a_reader_puts_in_is_put_in_and_the_set_up_is_not_made_again() -> None:
    argv = written.argv("make run-NAME", "URI=test:///x y", given={"NAME": "40-create-vm"})

    assert [word for word in argv if not word.startswith("--old-file=")] == [
        *("make", "run-40-create-vm", "URI=test:///x y"),
    ]
    assert "--old-file=.venv/stamp" in argv
    assert "--old-file=system" not in written.argv("make system")


def test_every_fence_of_commands_says_console() -> None:
    # Else nobody would look for commands in it. `sh` is what the article has, which is shown and not typed.
    fences = {
        (page.name, line.strip())
        for page in written.pages()
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith("```") and line.strip(" `").split(" ")[0] in ("sh", "bash", "shell")
    }

    assert fences == {("install.md", "```sh")}
