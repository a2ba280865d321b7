"""A bridge made by `kk.apply`, beside the same commands without kvmkit: how long the host does not answer."""

import shlex

import kvmkit as kk
from tests.bench.measure import Row, alternate, compare
from tests.lab.waiting import wait_until
from tests.netlab.conftest import SIMPLE
from tests.netlab.lan import Lan, LanHost, Owner, Peer
from tests.netlab.scene import RUN, Scene, change_of

ROUNDS = 5
PING = ("ping", "-n", "-c", "1", "-W", "1")


def rows() -> list[Row]:
    """Measure for everybody who may own a NIC; the peer asks every 5 ms, from another subnet."""
    with Lan() as lan:
        return [row for owner in SIMPLE for row in _rows(lan, owner)]


def _rows(lan: Lan, owner: Owner) -> list[Row]:
    lost: list[int] = []
    with LanHost(lan, owner) as machine:
        scene = Scene(machine)
        plan = scene.plan(timeout=120)

        def ours() -> float:
            peer = Peer(lan)
            report = kk.apply(plan)
            seen = peer.stop()
            lost.append(seen.lost)
            kk.undo(report)
            scene.as_before()
            return seen.seconds

        def theirs() -> float:
            peer = Peer(lan)
            _run_bare(scene, plan)
            # Again and again: a router that finds nobody says so, and ends a ping.
            asked = [*PING, machine.address]
            wait_until(lambda: lan.client.run(asked, check=False).returncode == 0, "the host answers")
            seen = peer.stop()
            _take_back(scene, plan)
            return seen.seconds

        pairs = alternate(ROUNDS, ours, theirs)
    compared = compare(f"`kk.apply` of a bridge: {owner.name}", "its bare commands", pairs, bound=1.2)
    # By the one process of plain ip nothing at all.
    bound = 0 if owner.name == "iproute2" else None
    return [compared, Row(f"`kk.apply` of a bridge: {owner.name}", "packets lost", max(lost), bound)]


def _run_bare(scene: Scene, plan: kk.Plan) -> None:
    recipe = change_of(plan).recipe
    for path, text in recipe.trial_files.items():
        file = scene.machine.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    scene.machine.run(["sh", "-ec", "\n".join(map(shlex.join, recipe.apply))])


def _take_back(scene: Scene, plan: kk.Plan) -> None:
    recipe = change_of(plan).recipe
    for path in recipe.trial_files:
        if not path.startswith(RUN):
            scene.machine.path(path).unlink()
    scene.machine.run(["sh", "-c", "\n".join(map(shlex.join, recipe.restore))], check=False)
    scene.machine.run(["rm", "-rf", RUN])
    wait_until(
        lambda: scene.machine.run(["ip", "link", "show", "br0"], check=False).returncode, "br0 is gone"
    )
    scene.as_before()
