"""What is written down for a person to type, and how a test runs just that.

Written down is each target of the Makefile, and each command in README, CONTRIBUTING, DESIGN and docs. A test
that runs one calls `run` or `argv` with the command as it is written, as a literal string.
tests/unit/test_written.py looks for such calls, and holds that each command is run by a test or stands in
tests/not-run.txt, with the reason why not.
"""

import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOT_RUN = ROOT / "tests" / "not-run.txt"
SET_UP = ("system", "test-system", ".venv/stamp", "kvmkit/forms/xterm/xterm.js")
"""What `make` makes before most targets; it has been made when tests run."""

CONSOLE = re.compile(r"^( *)```console\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
TYPED = re.compile(r"^ *\$ ((?:.*\\\n)*.*)", re.MULTILINE)
"""A line of a console with its continuations, behind the prompt."""
INLINE = re.compile(
    r"(?<!`)`((?:make|pip|python|kvmkit|ssh|systemctl) [^`]+|(?:\.venv/bin|tools|\.ci)/[^`]+)`(?!`)"
)
"""A command within a sentence. Those of the article, such as `virsh start`, are only named."""


def run(
    command: str, *more: str, given: Mapping[str, str] | None = None, timeout: float = 240, **how: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command that is written down, and return what it said; arguments as for `argv`."""
    options = {"cwd": ROOT, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True, **how}
    return subprocess.run(argv(command, *more, given=given), timeout=timeout, check=False, **options)


def argv(command: str, *more: str, given: Mapping[str, str] | None = None) -> list[str]:
    """Give the argv of a command that is written down.

    Parameters
    ----------
    command : str
        As it is written, a literal string.
    more : str
        Words to add, such as the size of a measurement.
    given : mapping, optional
        What a reader puts in himself: what stands for it in the text, and what is put there.
    """
    if command not in commands():
        raise AssertionError(f"{command!r} is written nowhere")
    words = shlex.split(command)
    for text, meant in (given or {}).items():
        if not any(text in word for word in words):
            raise AssertionError(f"{text!r} does not stand in {command!r}")
        words = [word.replace(text, meant) for word in words]
    if words[0] == "kvmkit":
        words[0] = str(ROOT / ".venv/bin/kvmkit")  # in a reader's PATH, if he has installed it there
    made = [f"--old-file={name}" for name in SET_UP if name not in words] if words[0] == "make" else []
    return [words[0], *made, *words[1:], *more]


def commands() -> dict[str, set[str]]:
    """Give each command that is written down, and the files in which it stands."""
    found: dict[str, set[str]] = {f"make {target}": {"Makefile"} for target in targets()}
    for page in pages():
        for command in commands_in(page.read_text(encoding="utf-8")):
            found.setdefault(command, set()).add(str(page.relative_to(ROOT)))
    return found


def targets() -> list[str]:
    """List the targets of the Makefile; a pattern has NAME for what varies, as `make help` shows it."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    names = re.findall(r"^([a-zA-Z][\w-]*%?):(?!=)", text, flags=re.MULTILINE)
    return [name.replace("%", "NAME") for name in names]


def pages() -> list[Path]:
    """List the pages that tell a reader what to type; the changelog tells of what was."""
    named = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "DESIGN")]
    written = (ROOT / "docs").rglob("*.md")
    return [*named, *sorted(page for page in written if "runbooks" not in page.parts)]


def commands_in(text: str) -> list[str]:
    """List the commands in a page, without comments and line breaks."""
    typed = [line for block in CONSOLE.finditer(text) for line in TYPED.findall(block[2])]
    named = [re.sub(r"\s+", " ", found) for found in INLINE.findall(text)]
    return [re.sub(r"\s+# .*", "", re.sub(r"\\\n *", "", line)).strip() for line in typed] + named


def not_run() -> dict[str, str]:
    """Give the commands that no test runs, each with the reason why not."""
    lines = NOT_RUN.read_text(encoding="utf-8").splitlines()
    pairs = [line.partition("  ") for line in lines if line and not line.startswith("#")]
    return {command: reason.strip() for command, _, reason in pairs}
