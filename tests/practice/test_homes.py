"""The practice host in the home folder of a person, whatever that person is called."""

from pathlib import Path

import pytest

import kvmkit as kk
from kvmkit.state import state_folder


@pytest.mark.parametrize(
    "name",
    ["Ann Müller", "100%41", "a#b?c&d=e", "a,b;c:d@e", "'\"\\", "[x]~+", "\u65e5\u672c\U0001f5a5", "b%zz%"],
)
def test_what_is_made_on_the_practice_host_is_there_in_any_home(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / name))
    (tmp_path / name).mkdir()
    host = kk.connect("test:///default")
    report = kk.apply(kk.plan_vm(host, kk.VMSpec(name="web1")))
    kk.shutdown(host, "demo")

    assert kk.vms(host)["state"].to_dict() == {"demo": "shut off", "web1": "running"}
    assert state_folder().is_relative_to(tmp_path / name)
    assert kk.undo(report).ok
    assert list(kk.vms(host).index) == ["demo"]
