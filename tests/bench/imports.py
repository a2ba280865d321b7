"""`import kvmkit` beside the import of what it depends on, which is all imported only when it is used."""

import ast
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import kvmkit
from tests.bench.measure import Row, alternate, compare, seconds

ROUNDS = 21


def rows(*, smoke: bool) -> list[Row]:
    """A fresh process each; all begin with the same start of Python."""
    names, all_names, theirs = (
        partial(_process, code)
        for code in ("import kvmkit", "from kvmkit import *", "\n".join(third_party_imports()))
    )
    beside = "importing its dependencies"
    rounds = 1 if smoke else ROUNDS
    return [
        compare("`import kvmkit`", beside, alternate(rounds, names, theirs), bound=1.15),
        compare("`from kvmkit import *`", beside, alternate(rounds, all_names, theirs), bound=None),
    ]


def third_party_imports() -> list[str]:
    """Every import of somebody else's module that is made once all that kvmkit offers is imported."""
    for name in kvmkit.__all__:
        getattr(kvmkit, name)
    own = [module for name, module in sys.modules.items() if name.partition(".")[0] == "kvmkit"]
    trees = [ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")) for module in own]
    return sorted({ast.unparse(node) for tree in trees for node in tree.body if _third_party(node)})


def _third_party(node: ast.stmt) -> bool:
    match node:
        case ast.Import(names=[ast.alias(name=name), *_]) | ast.ImportFrom(module=str(name)):
            return name.partition(".")[0] not in {*sys.stdlib_module_names, "kvmkit"}
    return False


def _process(code: str) -> float:
    # Byte code is kept from the first round on, as it is where kvmkit is installed.
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    return seconds(partial(subprocess.run, [sys.executable, "-c", code], env=env, check=True))
