"""Whether docs/benchmarks.md is as old as the code: the page keeps a digest of what each part measured."""

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
MARK = re.compile(r"^<!-- measured: (.*) -->$", re.MULTILINE)

# The folders of kvmkit that a part does not use. `from kvmkit import *`, of `imports`, uses all.
UNUSED = {
    "lab": ("bridge", "forms", "install", "learn", "prepare", "runs"),
    "imports": (),
    "bridge": ("forms", "install", "learn", "runs"),
}
OWN = {"lab": ("create", "vms", "check"), "imports": ("imports",), "bridge": ("bridge",)}
"""The modules of tests/bench that measure a part."""


def benchmarks_note(root: Path = ROOT) -> str:
    """Name the parts of `make bench` that have changed since the page was written; empty if none has.

    For the summary of `make test`. It is no failure, as measuring needs an idle machine.
    """
    changed = changed_parts((root / PAGE.relative_to(ROOT)).read_text(encoding="utf-8"), digests(root))
    return (
        f"docs/benchmarks.md is older than what it measures: {', '.join(changed)} changed since"
        " (`make bench BENCH_ARGS=--write` measures anew)"
        if changed
        else ""
    )


def changed_parts(page: str, now: dict[str, str]) -> list[str]:
    """List the parts whose digest is not the one that the page has, or of which it has none."""
    found = MARK.search(page)
    then = dict(pair.split("=", 1) for pair in found[1].split()) if found else {}
    return [part for part, digest in now.items() if then.get(part) != digest]


def mark(root: Path = ROOT) -> str:
    """Give the page's line, which readers do not see, with the digest of each part."""
    return f"<!-- measured: {' '.join(f'{part}={digest}' for part, digest in digests(root).items())} -->"


def digests(root: Path = ROOT) -> dict[str, str]:
    """Give for each part a digest of the files of kvmkit and of tests/bench that it runs."""
    return {part: _digest(root, sources(part, root)) for part in UNUSED}


def sources(part: str, root: Path = ROOT) -> list[Path]:
    """List those files; JavaScript and what is fetched when kvmkit is set up are not among them."""
    package = root / "kvmkit"
    used = [
        path
        for kind in ("*.py", "*.pyi", "*.sh")
        for path in package.rglob(kind)
        if path.relative_to(package).parts[0] not in UNUSED[part]
    ]
    return sorted([*used, *(root / f"tests/bench/{name}.py" for name in (*OWN[part], "measure"))])


def _digest(root: Path, paths: list[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        text = path.read_bytes()
        found.update(f"{path.relative_to(root)} {len(text)}\n".encode() + text)
    return found.hexdigest()[:12]
