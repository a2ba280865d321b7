"""One row of the report on facts that differ in one thing from a ready host's."""

from dataclasses import replace
from typing import Any

import kvmkit as kk
from kvmkit.check import judge_facts
from kvmkit.check.facts import Facts


def row(facts: Facts, name: str, **changes: Any) -> kk.Check:
    return next(check for check in judge_facts(replace(facts, **changes)) if check.check == name)
