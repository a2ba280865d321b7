"""What a console says where there is none.  A console that works takes a real VM: tests/realqemu."""

import importlib
import threading
from pathlib import Path

import pytest

import kvmkit as kk


def test_the_practice_host_has_nobody_at_a_console(host: kk.Host) -> None:
    before = threading.active_count()
    with pytest.raises(kk.Unsupported, match=r"runs no system.*it takes a real host"):
        kk.console(host, "demo")

    assert threading.active_count() == before


def test_without_the_terminal_it_is_said_how_to_get_it(
    host: kk.Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    console = importlib.import_module("kvmkit.forms.console")  # the name in the package is the function's
    monkeypatch.setattr(console, "__file__", str(tmp_path / "console.py"))
    with pytest.raises(kk.Unsupported, match=r"run tools/get-xterm .* kk\.console_log\(host, name\)"):
        console._library.__wrapped__()
