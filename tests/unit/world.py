"""A world of things that steps make, in memory: for tests of the engine behind apply and undo."""

from collections.abc import Callable

import pytest

import kvmkit as kk
from kvmkit import actions
from kvmkit.actions import Action
from kvmkit.journal import entries
from kvmkit.progress import note

URI = "test:///default"


class World:
    """A host in memory: what is there, what was done, and which calls fail."""

    def __init__(self) -> None:
        self.things: list[str] = []
        self.did: list[str] = []
        self.foreign: set[str] = set()
        self.fails: dict[str, BaseException] = {}
        self.told: list[str] = []

    def do(self, verb: str, thing: str, change: Callable[[str], None]) -> None:
        if error := self.fails.get(f"before {verb} {thing}"):
            raise error
        change(thing)
        self.did.append(f"{verb} {thing}")
        if error := self.fails.get(f"after {verb} {thing}"):
            raise error


class Thing(Action):
    """A step that puts a thing into the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def made(self, host: kk.Host, step: kk.Step, state: str, token: str) -> bool:
        name = step.args["name"]
        if name in self.world.foreign and not state:
            raise kk.Conflict(f"{name} is somebody else's")
        return name in self.world.things

    def make(self, host: kk.Host, step: kk.Step, token: str) -> None:
        self.world.told += [secret.get_secret_value() for secret in step.secrets.values()]
        self.world.do("make", step.args["name"], self.world.things.append)

    def unmake(self, host: kk.Host, step: kk.Step) -> None:
        self.world.do("unmake", step.args["name"], self.world.things.remove)


class Running(Thing):
    """A step whose thing may end by itself, which is no failure."""

    def made(self, host: kk.Host, step: kk.Step, state: str, token: str) -> bool:
        return super().made(host, step, state, token) or state == "done"


class Talking(Thing):
    """A step that sees things worth telling."""

    def make(self, host: kk.Host, step: kk.Step, token: str) -> None:
        note("3 s", "something")
        super().make(host, step, token)


class Nothing(Thing):
    """A step that says it did, and did not."""

    def make(self, host: kk.Host, step: kk.Step, token: str) -> None:
        self.world.did.append("nothing")


class Half(Thing):
    """A step that begins and fails; what it began is not what it makes."""

    def made(self, host: kk.Host, step: kk.Step, state: str, token: str) -> bool:
        return False

    def make(self, host: kk.Host, step: kk.Step, token: str) -> None:
        self.world.do("begin", step.args["name"], self.world.things.append)
        raise RuntimeError("boom")


def enter(monkeypatch: pytest.MonkeyPatch) -> World:
    """Make a world whose kinds of steps are the only ones that there are."""
    world = World()
    monkeypatch.setattr(actions, "_kinds", {})
    actions.action("test-thing", Thing(world))
    actions.action("test-nothing", Nothing(world))
    actions.action("test-half", Half(world), gradual=True)
    actions.action("test-talking", Talking(world))
    actions.action("test-boots", Thing(world), boots=True)
    actions.action("test-system", Thing(world), rehearsed=True)
    actions.action("test-running", Running(world), fleeting=True)
    return world


def step(name: str, lost: str = "", action: str = "test-thing") -> kk.Step:
    return kk.Step(action=action, title=f"make {name}", undo=f"unmake {name}", lost=lost, args={"name": name})


def plan(*steps: kk.Step) -> kk.Plan:
    return kk.Plan(uri=URI, title="make things", steps=steps or (step("a"), step("b"), step("c")))


def state() -> list[str]:
    return [entry.state for entry in entries(URI)]


def host() -> kk.Host:
    return kk.connect(URI)
