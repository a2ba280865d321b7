"""A bridge planned on the host of the LAN: what it looks like before and after, and ways to break it."""

import contextlib
import hashlib
import json
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import kvmkit as kk
from kvmkit.bridge.plan import BACKENDS
from kvmkit.bridge.read import read_network
from kvmkit.bridge.recipe import TRIAL, Recipe
from kvmkit.bridge.steps import Change, trial_steps
from tests.lab.waiting import wait_until
from tests.netlab.lan import LanHost

RUN = "/run/kvmkit"
FILES = ("/etc", "/var/lib/kvmkit", "/run/systemd/network", "/run/netplan", "/run/network/ifstate")
"""What a trial must leave as it was; and what a kept one changes, undo gives back."""

Picture = dict[str, Any]


class Scene:
    """The host, reached over SSH, and how it was at first."""

    def __init__(self, machine: LanHost) -> None:
        self.machine = machine
        self.host = kk.connect(machine.ssh_uri)
        wait_until(lambda: "tentative" not in machine.run(["ip", "addr"]).stdout, "addresses are settled")
        self.before = picture(machine)

    def plan(self, **spec: Any) -> kk.Plan:
        """Plan br0 with eth0; rolled back after 3 seconds unless told otherwise."""
        return kk.plan_bridge(
            self.host, kk.BridgeSpec(**{"nic": "eth0", "timeout": 3, "allow_guest": True} | spec)
        )

    def plan_to(self, address: str, gateway: str) -> kk.Plan:
        """Plan to keep the address, and have the host take another one."""
        plan = self.plan()
        network = read_network(self.host)
        spec = kk.BridgeSpec(nic="eth0", addressing="static", address=address, gateway=gateway)
        backend = BACKENDS[change_of(plan).recipe.owner]
        return altered(plan, lambda _: backend.bridge(network, spec))

    def as_before(self) -> None:
        """Wait until the host is as at first, and see that nothing is left of a trial."""
        self.looks_like(self.before)
        # The log stays until somebody has read it.
        left = [path for path in self._left() if not re.fullmatch(r"\w+(/(log|outcome))?", path)]
        assert not left

    def nothing_left(self) -> None:
        """See that not even a log is left."""
        assert not self.machine.path(RUN).exists()

    def looks_like(self, expected: Picture) -> None:
        """Wait until the host is as in a picture."""
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: picture(self.machine) == expected, "the host is as expected", 30)
        told = differences(picture(self.machine), expected)
        assert not told, told

    def expire(self) -> None:
        """Let the time of a trial be over now, and wait until the host has put itself back."""
        self.machine.path(f"{RUN}/trial/deadline").write_text("0\n")
        self.wait_for("restored")

    def log(self) -> str:
        """Give the log of a trial, running or ended."""
        logs = [path.read_text() for path in self.machine.path(RUN).glob("*/log")]
        return logs[0] if logs else ""

    def wait_for(self, event: str) -> None:
        """Wait until a trial has come that far."""
        wait_until(lambda: re.search(rf"^@ .* {event}$", self.log(), re.MULTILINE), f"the trial is {event}")

    def seconds(self, first: str, last: str) -> float:
        """Tell how long it took from one event of the log to another, by the host's clock."""
        events = [line.split(maxsplit=3) for line in self.log().splitlines() if line.startswith("@ ")]
        since = {what: int(at) for _, at, _, what in events}
        return (since[last] - since[first]) / 100

    def _left(self) -> list[str]:
        run = self.machine.path(RUN)
        return sorted(str(path.relative_to(run)) for path in run.rglob("*")) if run.exists() else []


def picture(machine: LanHost) -> Picture:
    """Everything of the host that a trial must leave alone: network, resolver, files, processes."""
    links = json.loads(machine.run(["ip", "-json", "-details", "address"]).stdout)
    routes = {
        family: sorted(_route(line) for line in machine.run(["ip", family, "route"]).stdout.splitlines())
        for family in ("-4", "-6")
    }
    return {
        "links": {link["ifname"]: _link(link) for link in links},
        "routes": routes,
        "files": {name: found for root in FILES for name, found in _files(machine.path(root), root)},
        # sshd has one for each connection.
        "processes": sorted(line for line in machine.processes() if not line.startswith(("sshd: ", "sshd-"))),
    }


def differences(found: Picture, expected: Picture) -> dict[str, Any]:
    """Name what differs, as found and as expected."""
    told: dict[str, Any] = {}
    for part, wanted in expected.items():
        if isinstance(wanted, dict):
            names = sorted({*wanted, *found[part]})
            pairs = {f"{part} {name}": (found[part].get(name), wanted.get(name)) for name in names}
        else:
            pairs = {part: (found[part], wanted)}
        told |= {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return told


def _link(link: dict[str, Any]) -> dict[str, Any]:
    addresses = [
        (a["local"], a["prefixlen"], a["scope"], a.get("broadcast"), a.get("metric"))
        for a in link["addr_info"]
    ]
    kind = link.get("linkinfo", {}).get("info_kind")
    return {
        **{name: link.get(name) for name in ("address", "mtu", "master", "operstate")},
        "kind": kind,
        "up": "UP" in link["flags"],
        "addresses": sorted(addresses),
    }


def _route(line: str) -> str:
    return re.sub(r" expires \w+| linkdown| pref medium", "", line).strip()


def _files(root: Path, name: str) -> list[tuple[str, object]]:
    if not root.exists():
        return []
    paths = [root, *root.rglob("*")] if root.is_dir() else [root]
    return [(f"{name}/{path.relative_to(root)}", _file(path)) for path in sorted(paths)]


def _file(path: Path) -> object:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return path.readlink()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
    return stat.filemode(status.st_mode), status.st_uid, status.st_gid, content


def change_of(plan: kk.Plan) -> Change:
    """Give what a plan's steps are told."""
    return Change(**plan.steps[0].args)


def altered(plan: kk.Plan, alter: Callable[[Recipe], Recipe]) -> kk.Plan:
    """Give a plan whose host will not do as planned."""
    change = change_of(plan)
    broken = change.model_copy(update={"recipe": alter(change.recipe)})
    return plan.model_copy(update={"steps": trial_steps(broken, plan.title)})


def interrupted(recipe: Recipe, argv: Sequence[str]) -> Recipe:
    """Have a command run in the middle of it: between two others, or between two lines of a batch."""
    commands = [argv for command in recipe.apply for argv in _commands(recipe, command)]
    middle = len(commands) // 2
    return recipe.model_copy(
        update={"apply": (*commands[:middle], tuple(argv), *commands[middle:])},
    )


def _commands(recipe: Recipe, command: tuple[str, ...]) -> list[tuple[str, ...]]:
    if command[:2] == ("ip", "-batch") and command[2].startswith(TRIAL):
        return [("ip", *line.split()) for line in recipe.trial_files[command[2]].splitlines()]
    return [command]


def broken(recipe: Recipe) -> Recipe:
    """Put a command that does not exist into the middle."""
    files = {}
    for path, text in recipe.trial_files.items():
        lines = text.splitlines()
        batch = ("ip", "-batch", path) in recipe.apply
        files[path] = (
            "\n".join([*lines[: len(lines) // 2], "nonsense", *lines[len(lines) // 2 :], ""])
            if batch
            else text
        )
    if files != recipe.trial_files:
        return recipe.model_copy(update={"trial_files": files})
    return interrupted(recipe, ["nonsense"])


def stalled() -> float:
    """Seconds that something on this machine has waited for a processor; 0 where the kernel does not tell."""
    pressure = Path("/proc/pressure/cpu")
    # some avg10=0.00 avg60=0.00 avg300=0.00 total=123456
    return int(pressure.read_text().split("\n")[0].rpartition("=")[2]) / 1e6 if pressure.exists() else 0
