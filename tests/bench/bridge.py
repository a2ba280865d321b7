"""A bridge made by `kk.apply`, beside the same commands without kvmkit: how long the host does not answer.

The bare commands have to come as far as kvmkit does: a manager is still at work when `networkctl reload` has
returned, and has then not yet cut anybody off. So they are watched until the host's network is what kvmkit
verifies; the peer is the same, and neither side loads the host while it is away.
"""

import shlex

import kvmkit as kk
from kvmkit.bridge.compare import compare as verified
from kvmkit.bridge.read import read_network
from kvmkit.report import Status
from tests.bench.measure import Row, alternate, compare
from tests.lab.waiting import wait_until
from tests.netlab.conftest import SIMPLE
from tests.netlab.lan import GATEWAY, Lan, LanHost, Owner, Peer
from tests.netlab.managers import Netplan, NetworkManager
from tests.netlab.scene import RUN, Scene, change_of

OWNERS: dict[str, Owner] = {
    **{owner.name: owner for owner in SIMPLE},
    "netplan, NetworkManager": Netplan(NetworkManager()),
}
ROUNDS = 5
MORE = {"systemd-networkd": 15, "netplan": 15}
"""Rounds where a host is away for some 20 ms only, of the same side twice as long in one as in another."""
FEW = ("iproute2", "systemd-networkd")
"""Owners of a smoke: one without files of its own, and one with."""
PING = ("ping", "-n", "-c", "1", "-W", "1")


def rows(*, smoke: bool) -> list[Row]:
    """Measure for everybody who may own a NIC; the peer asks from another subnet."""
    rounds = dict.fromkeys(FEW, 1) if smoke else dict.fromkeys(OWNERS, ROUNDS) | MORE
    with Lan() as lan:
        return [row for name, number in rounds.items() for row in _rows(lan, name, OWNERS[name], number)]


def _rows(lan: Lan, name: str, owner: Owner, rounds: int) -> list[Row]:
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
            wait_until(lambda: _bridged(lan, machine), "the host answers by its bridge")
            wait_until(lambda: _verified(scene, plan), "the host's network is what kvmkit verifies")
            seen = peer.stop()
            _take_back(scene, plan)
            return seen.seconds

        pairs = alternate(rounds, ours, theirs)
    compared = compare(f"`kk.apply` of a bridge: {name}", "its bare commands", pairs, bound=1.2)
    # By the one process of plain ip nothing at all.
    bound = 0 if name == "iproute2" else None
    return [compared, Row(f"`kk.apply` of a bridge: {name}", "packets lost", max(lost), bound)]


def _run_bare(scene: Scene, plan: kk.Plan) -> None:
    recipe = change_of(plan).recipe
    for path, text in recipe.trial_files.items():
        file = scene.machine.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    scene.machine.run(["sh", "-ec", "\n".join(map(shlex.join, recipe.apply))])


def _bridged(lan: Lan, machine: LanHost) -> bool:
    """Look without SSH, which slows the host down: the way out is by br0, and the client gets an answer."""
    way = machine.run(["ip", "route", "get", GATEWAY], check=False).stdout
    # Asked again and again: a router that finds nobody says so, and ends a ping.
    return " dev br0 " in way and not lan.client.run([*PING, machine.address], check=False).returncode


def _verified(scene: Scene, plan: kk.Plan) -> bool:
    found = verified(change_of(plan).after, read_network(scene.host, reach=True, fresh=True))
    return all(row.status is Status.PASS for row in found)


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
