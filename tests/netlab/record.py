"""Records what the probe prints in the netlab: `python -m tests.netlab.record` fills captures/bridge/trixie.

`SUITE=bookworm python -m tests.netlab.record` fills the folder of that release.
"""

import sys
from pathlib import Path

import kvmkit as kk
from kvmkit.bridge.read import AS_ROOT, parse_network, probe_script
from tests.lab import debian
from tests.netlab.lan import GATEWAY, Lan, LanHost, Owner
from tests.netlab.managers import Netplan, Networkd, NetworkManager
from tests.netlab.unmanaged import Ifupdown, Iproute2

CAPTURES = Path(__file__).parents[1] / "captures" / "bridge" / debian.SUITE
HOSTS: dict[str, tuple[Owner, bool]] = {
    "iproute2": (Iproute2(), False),
    "ifupdown": (Ifupdown(), False),
    "ifupdown-dhcp": (Ifupdown(), True),
    "networkmanager": (NetworkManager(many=True), False),
    "networkmanager-dhcp": (NetworkManager(), True),
    "networkd": (Networkd(many=True), False),
    "networkd-dhcp": (Networkd(), True),
    "netplan-networkd": (Netplan(Networkd()), False),
    "netplan-networkmanager": (Netplan(NetworkManager()), False),
}
BRIDGED = ("iproute2", "ifupdown", "networkmanager", "networkd")
"""Of which there is a capture with a bridge that kvmkit has made, too."""


def record(lan: Lan, name: str) -> None:
    """Boot a host, run the probe on it as read_network does, over SSH, and keep what it prints."""
    owner, dhcp = HOSTS[name]
    how = f"eth0 configured by {owner.name} with {'DHCP' if dhcp else 'a static address'}"
    with LanHost(lan, owner, dhcp=dhcp) as machine:
        # The lab has no systemd-resolved, to which networkd tells its DNS servers.
        machine.path("/etc/resolv.conf").write_text(f"nameserver {GATEWAY}\n")
        host = kk.connect(machine.ssh_uri)
        write(host, name, how)
        if name in BRIDGED:
            kk.apply(kk.plan_bridge(host, kk.BridgeSpec(nic="eth0", allow_guest=True)))
            write(host, f"{name}-bridged", f"{how}, and put into br0 by kvmkit")


def write(host: kk.Host, name: str, what: str) -> None:
    """Write one capture, under a line that says what it is."""
    told = host.run(["sh", "-c", AS_ROOT, "sh", "reach"], stdin=probe_script(), fresh=True).stdout
    parse_network(told)
    head = f"# recorded in the netlab: Debian {debian.SUITE} in namespaces, {what}.\n"
    (CAPTURES / f"{name}.txt").write_text(head + told)


if __name__ == "__main__":
    CAPTURES.mkdir(parents=True, exist_ok=True)
    with Lan() as lan:
        for name in sys.argv[1:] or HOSTS:
            record(lan, name)
