"""A kernel that ends in the middle of a plan, as by a power cut."""

from pathlib import Path

import pytest

# A profile of IPython that ends its kernel, or that and the process which runs the notebook, when the journal
# has written so many records of a plan.
STARTUP = """
from pathlib import Path
from kvmkit import journal
left, whole = [{record}], journal._append

def append(path, record):
    import os, signal  # here: the runbook has a parameter `os`
    whole(path, record)
    if "runs.jsonl" != path.name != "acts.jsonl":
        left[0] -= 1
        if not left[0]:
            Path({done!r}).touch()
            for pid in {pids}:
                os.kill(pid, signal.SIGKILL)

if not Path({done!r}).exists():
    journal._append = append
"""


def end_kernel(
    monkeypatch: pytest.MonkeyPatch, folder: Path, record: int, pids: str = "[os.getpid()]"
) -> None:
    """Have the next kernel end, once."""
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    text = STARTUP.format(record=record, done=str(folder / "ended"), pids=pids)
    (startup / "end.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
