"""The runbook that makes a bridge, unattended on `qemu:///system`: a real libvirtd, a card, a router."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.lab import Lab
from tests.netlab.lan import ADDRESS, GATEWAY, Lan, cable, ip
from tests.realqemu.runbook import URI, Runbook, text_of

NIC = "lan0"
"""No network manager of this machine, whose /etc the runbook sees, has heard of it."""


@pytest.fixture
def router(lab: Lab) -> Iterator[Lan]:
    """Connect the lab with a router by a card that nobody manages; afterwards it is without one again."""
    # Else a systemd would run the trial's watchdog, and the network that it changed would be this machine's.
    look = lab.local(["test", "!", "-e", "/run/systemd/system"])
    subprocess.run(look, check=True, timeout=30)
    with Lan() as lan:
        cable(lan.router, "to-lab", lab, NIC)
        ip(lan.router, "link set to-lab master lan0")
        ip(
            lab,
            f"link set {NIC} up",
            f"addr add {ADDRESS}/24 broadcast + dev {NIC}",
            f"route add default via {GATEWAY} dev {NIC}",
        )
        yield lan


def network(lab: Lab) -> dict[str, Any]:
    """Tell where addresses and the way out are."""
    links = json.loads(lab.run(["ip", "-json", "address"]).stdout)
    routes = json.loads(lab.run(["ip", "-json", "route", "show", "default"]).stdout)
    return {
        "addresses": {link["ifname"]: addresses(link) for link in links},
        "masters": {link["ifname"]: link["master"] for link in links if "master" in link},
        "default": [(route["gateway"], route["dev"]) for route in routes],
    }


def addresses(link: dict[str, Any]) -> list[str]:
    return [
        f"{found['local']}/{found['prefixlen']}" for found in link["addr_info"] if found["family"] == "inet"
    ]


def test_a_card_goes_into_a_bridge_and_comes_back(lab: Lab, router: Lan, tmp_path: Path) -> None:
    before = network(lab)
    runbook = Runbook(lab, tmp_path, "30-bridge", nic=NIC, allow_guest=True, timeout=300)

    plan_id = runbook.run_to_the_gate()
    assert network(lab) == before

    said = text_of(runbook.run(confirm=plan_id))
    assert network(lab) == {
        # libvirt's own network is as it was.
        "addresses": before["addresses"] | {NIC: [], "br0": [f"{ADDRESS}/24"]},
        "masters": before["masters"] | {NIC: "br0"},
        "default": [(GATEWAY, "br0")],
    }
    router.router.run(["ping", "-n", "-c", "1", "-W", "10", ADDRESS])
    assert f"put {NIC} into bridge br0 on {URI}: 2 PASS" in said

    way_back = re.search(r"to take it back: (kk\.undo\(host, '\w+'\))", said)
    assert way_back
    undo = f"import kvmkit as kk\nhost = kk.connect({URI!r})\nassert {way_back[1]}.ok"
    subprocess.run(lab.local([sys.executable, "-c", undo]), check=True, timeout=300)
    assert network(lab) == before
    # Nor has the first run left anything, such as who watches the gateway.
    assert not lab.path("/run/kvmkit").exists()
