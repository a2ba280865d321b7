"""Records what the probe prints in the netlab: `python -m tests.netlab.record` fills captures/bridge."""

from pathlib import Path

from kvmkit.bridge.read import AS_ROOT, parse_network, probe_script
from kvmkit.host import connect
from tests.netlab.lan import GATEWAY, Lan, LanHost, Owner
from tests.netlab.managers import Netplan, Networkd, NetworkManager
from tests.netlab.unmanaged import Ifupdown, Iproute2

CAPTURES = Path(__file__).parents[1] / "captures" / "bridge"
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


def record(lan: Lan, name: str) -> None:
    """Boot a host, run the probe on it as read_network does, over SSH, and keep what it prints."""
    owner, dhcp = HOSTS[name]
    with LanHost(lan, owner, dhcp=dhcp) as host:
        # The lab has no systemd-resolved, to which networkd tells its DNS servers.
        host.path("/etc/resolv.conf").write_text(f"nameserver {GATEWAY}\n")
        told = connect(host.ssh_uri).run(["sh", "-c", AS_ROOT, "sh", "reach"], stdin=probe_script()).stdout
    parse_network(told)
    how = "DHCP" if dhcp else "a static address"
    head = f"# recorded in the netlab: Debian 12 in namespaces, eth0 configured by {owner.name} with {how}.\n"
    (CAPTURES / f"{name}.txt").write_text(head + told)


if __name__ == "__main__":
    CAPTURES.mkdir(exist_ok=True)
    with Lan() as lan:
        for name in HOSTS:
            record(lan, name)
