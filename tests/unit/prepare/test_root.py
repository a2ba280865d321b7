"""Who may change a host's system: root, or who may use sudo without a password; anybody else is told."""

from collections.abc import Sequence

import pytest

import kvmkit as kk
from kvmkit.commands import Follow, Result
from kvmkit.prepare.root import as_root


class Account:
    """A Dutch host that knows one account; a real sudo would ask this machine's."""

    def __init__(self, number: int, name: str, *, sudo: bool) -> None:
        self.number, self.name, self.sudo = number, name, sudo
        self.ran: list[str] = []

    def run(self, argv: Sequence[str], stdin: str, timeout: float, follow: Follow | None = None) -> Result:
        self.ran.append(" ".join(argv))
        if argv[-1] == "id":
            name = f"({self.name})" if self.name else ""
            uid, gid, groups = ("uid", "gid", "groups") if "LC_ALL=C" in argv else ("UID", "GID", "groepen")
            return Result(0, f"{uid}={self.number}{name} {gid}=100(users) {groups}=100(users)\n", "")
        return Result(0 if self.sudo or self.number == 0 else 1, "", "")


def host(account: Account) -> kk.Host:
    made = kk.Host("qemu:///system")
    made._runner = account
    return made


def test_root_runs_commands_as_they_are() -> None:
    account = Account(0, "root", sudo=False)
    as_root(host(account)).run(["systemctl", "stop", "x"])

    assert account.ran[1:] == ["systemctl stop x"]


def test_who_may_use_sudo_uses_it() -> None:
    account = Account(1000, "visitor", sudo=True)
    as_root(host(account)).run(["systemctl", "stop", "x"])

    assert account.ran[-1] == "sudo -n systemctl stop x"


@pytest.mark.parametrize(("name", "shown"), [("visitor", "visitor"), ("", "1000")])
def test_anybody_else_is_told_what_to_do(name: str, shown: str) -> None:
    with pytest.raises(
        kk.Unsupported, match=rf"^{shown} may not change the system of qemu:///system: connect as"
    ):
        as_root(host(Account(1000, name, sudo=False)))


def test_the_practice_host_has_no_root() -> None:
    with pytest.raises(kk.Unsupported, match="runs no commands"):
        as_root(kk.connect("test:///default"))
