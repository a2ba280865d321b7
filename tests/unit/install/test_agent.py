"""Guest agents of ill will: what they answer is a value or an error, and costs nobody else's result."""

import contextlib
import json
from types import SimpleNamespace
from typing import Any

import libvirt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvmkit as kk
from kvmkit.install import agent
from kvmkit.install.agent import run_in_guest
from kvmkit.vm.addresses import _is_of_use

XML = """<domain><devices><channel><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/>
</channel></devices></domain>"""
WORDS = st.sampled_from(
    ["return", "pid", "exited", "exitcode", "signal", "out-data", "err-data", "error", "aGk="]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=12,
)
ANSWERS = JSON.map(json.dumps) | JSON.map(lambda value: json.dumps({"return": value})) | st.text(max_size=30)
GOOD = {"guest-ping": "{}", "guest-exec": '{"pid": 7}'}
GOOD["guest-exec-status"] = '{"exited": true, "exitcode": 0, "out-data": "aGk="}'


class Domain(SimpleNamespace):
    """A VM of which libvirt hands on what its agent says: no real agent says such things."""

    def XMLDesc(self) -> str:  # noqa: N802 - libvirt's name
        return XML

    def isActive(self) -> bool:  # noqa: N802
        return True

    def name(self) -> str:
        return str(self.vm)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """What the agent of each VM answers to each command, where that is nothing good."""
    told: dict[str, dict[str, str]] = {}

    def ask(dom: Domain, asked: str, _timeout: int, _flags: int) -> str:
        command = json.loads(asked)["execute"]
        return told.get(dom.vm, {}).get(command) or f'{{"return": {GOOD[command]}}}'

    monkeypatch.setattr(agent, "called", lambda call, dom, *rest: ask(dom, *rest))
    monkeypatch.setattr(agent, "domain", lambda _host, _connection, vm: Domain(vm=vm))
    return told


HOST: Any = SimpleNamespace(
    practice=None, uri="qemu:///system", reading=kk.connect("test:///default").reading
)
BAD = {
    "no JSON": "<html>",
    "no answer": "{}",
    "a list": "[1]",
    "no number": '{"return": {"pid": "7; rm"}}',
    "nothing": '{"return": null}',
    "no code": '{"return": {"exited": true}}',
    "a code of 400 digits": '{"return": {"exited": true, "exitcode": 1' + "0" * 400 + "}}",
    "no base64": '{"return": {"exited": true, "exitcode": 0, "out-data": "\\u001b!"}}',
    "no text": '{"return": {"exited": true, "exitcode": 0, "out-data": 1}}',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("command", ["guest-exec", "guest-exec-status"])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_one_agent_that_answers_nonsense_costs_no_other_result(
    answers: dict[str, dict[str, str]], command: str, bad: str
) -> None:
    answers["b"] = {command: bad}
    with pytest.raises(
        kk.AgentFailed, match=rf"VM b answered {command} .* a, c said is in \.results"
    ) as failed:
        run_in_guest(HOST, ["a", "b", "c"], ["uname"])

    results = failed.value.results
    assert results is not None
    assert results["stdout"].to_dict() == {"a": "hi", "c": "hi"}


def test_an_agent_that_may_not_run_commands_is_no_agent_of_ill_will(
    answers: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = vars(agent)["called"]

    def refuse(call: Any, dom: Domain, asked: str, *rest: int) -> str:
        if dom.vm == "b" and "guest-exec" in asked:
            error = libvirt.libvirtError("")
            error.err = (0, 0, "guest-exec has been disabled", 2, "", "", "", -1, -1)
            raise error
        return str(heard(call, dom, asked, *rest))

    monkeypatch.setattr(agent, "called", refuse)
    with pytest.raises(kk.Unsupported, match=r"VM b may not run commands \(guest-exec has been disabled\)"):
        run_in_guest(HOST, "b", ["uname"])
    with pytest.raises(
        kk.AgentFailed, match=r"VM b may not run commands .* a said is in \.results"
    ) as failed:
        run_in_guest(HOST, ["a", "b"], ["uname"])
    assert failed.value.results is not None


def test_one_guest_that_takes_too_long_costs_no_other_result(answers: dict[str, dict[str, str]]) -> None:
    answers["a"] = {"guest-exec-status": '{"return": {"exited": false}}'}
    with pytest.raises(kk.WaitTimeout, match=r"has not ended in time in VM a .* process 7") as failed:
        run_in_guest(HOST, ["a", "b"], ["sleep", "9"], timeout=0.1)

    assert failed.value.results is not None
    assert list(failed.value.results.index) == ["b"]


def test_an_agent_is_read_whatever_it_says(answers: dict[str, dict[str, str]]) -> None:
    @given(st.sampled_from(sorted(GOOD)), ANSWERS)
    def read(command: str, answer: str) -> None:
        answers["a"] = {command: answer}
        with contextlib.suppress(kk.KvmkitError):  # anything else would not be an error of kvmkit's
            assert len(run_in_guest(HOST, "a", ["uname"], timeout=0.01)) == 1

    read()


@given(st.text() | st.sampled_from(["::1%$x$", "fe80::1%eth0", "10.0.0.5/99", "10.0.0.5/24\n", "<img>/24"]))
def test_what_an_agent_calls_an_address_is_one_or_is_left_out(address: str) -> None:
    assert not (_is_of_use(address) and set(address) - set("0123456789abcdefABCDEF.:/"))
