"""Names are imported when they are first used, and nothing depends on which were."""

import ast
import subprocess
import sys
from pathlib import Path

import kvmkit

PACKAGE = Path(kvmkit.__file__).parent


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_type_checkers_see_the_names_that_there_are() -> None:
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    (listed,) = (ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign))

    assert listed == kvmkit.__all__


def test_importing_kvmkit_imports_nothing_that_is_not_used_yet() -> None:
    loaded = python("import sys, kvmkit; print(*sys.modules)").split()

    assert not {"pandas", "libvirt", "ipywidgets", "kvmkit.host"} & set(loaded)


def test_a_function_is_not_hidden_by_the_module_of_its_name() -> None:
    told = python("import kvmkit.timeline, kvmkit.vm.media, kvmkit as kk; print(kk.apply, kk.timeline)")

    assert told.startswith("<function apply")
    assert "<function timeline" in told


def test_a_process_that_planned_nothing_knows_the_code_behind_every_step() -> None:
    walk = "import pkgutil, kvmkit; found = pkgutil.walk_packages(kvmkit.__path__, 'kvmkit.')"
    every_module = f"{walk}; [__import__(module.name) for module in found]"
    kinds = "from kvmkit import actions; print(*sorted(actions._kinds))"
    every = python(f"{every_module}; {kinds}").split()
    step = f"from kvmkit.plan import Step; actions.kind(Step(title='', action={every[0]!r}))"
    found = python(f"from kvmkit import actions; {step}; {kinds}").split()

    assert "bridge-trial" in every
    assert found == every
