"""Records journals of the practice host with the kvmkit that is on the path, killed at each of its records.

`be4763f.tar.xz` was made with that commit: `PYTHONPATH=TREE python record.py FOLDER`, without its locks.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import kvmkit as kk
from kvmkit import journal

NOT_REACHED = 3


def stop_at(number: int, do: Callable[[], object]) -> None:
    """End this process after so many records of a plan."""
    real, written = journal._append, [0]

    def append(path: Path, record: dict[str, object]) -> None:
        real(path, record)
        written[0] += path.name[0].isdigit()
        if written[0] == number:
            os._exit(0)

    journal._append = append
    do()
    os._exit(NOT_REACHED)


def scene(folder: Path, number: int, *, undo: bool) -> bool:
    """Make a journal that ends at that record; whether there are so many."""
    os.environ["XDG_STATE_HOME"] = str(folder)
    host = kk.connect("test:///default")
    if not (child := os.fork()):
        plan = kk.plan_vm(host, kk.VMSpec(name="web1", memory_mib=64, disk_gib=1, autostart=True))
        if undo:
            report = kk.apply(plan)
            stop_at(number, lambda: kk.undo(report))
        stop_at(number, lambda: kk.apply(plan))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


if __name__ == "__main__":
    for word, undo, whole in (("applying", False, "done"), ("undoing", True, "undone")):
        last = 1
        while scene(Path(sys.argv[1], f"{word}-{last:02}"), last, undo=undo):
            last += 1
        Path(sys.argv[1], f"{word}-{last:02}").rename(Path(sys.argv[1], whole))
