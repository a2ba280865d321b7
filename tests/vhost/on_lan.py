"""A virtual host whose NIC is a tap on a LAN of the tests' own, with its client in another subnet.

On QEMU's user network the client appears to be a neighbour: SSH would survive a wrong gateway.
"""

import shlex
from pathlib import Path

from tests.lab.ssh import write_script
from tests.lab.waiting import wait_until
from tests.netlab.lan import Lan
from tests.vhost.host import BOOT_SECONDS, VirtualHost
from tests.vhost.qemu import Qemu

TAP = "vhost0"
MAC = "52:54:00:12:34:56"
"""QEMU's own choice for a first NIC."""


class VirtualHostOnLan(VirtualHost):
    """It is switched on without a saved memory, as that belongs to another kind of NIC."""

    def __init__(self, image: Path, folder: Path, disk: Path, disk_format: str, lan: Lan) -> None:
        super().__init__(image, folder, disk, disk_format)
        self.lan = lan
        self.address = ""

    def _switch_on(self, memory: Path | None, **_: object) -> Qemu:
        # Named by the id that the NIC knows it by.
        network = ["-netdev", f"tap,id=user,ifname={TAP},script=no,downscript=no"]
        qemu = super()._switch_on(memory, enter=_in_network(self.lan.router.number), network=network)
        self.lan.router.run(["ip", "link", "set", TAP, "master", "lan0", "up"])
        return qemu

    def _write_ssh(self) -> None:
        self.address = wait_until(self._leased, "the router's lease for the host", BOOT_SECONDS)
        plain = self._write_way({"HostName": self.address}).rename(self._folder / "plain")
        way = [*_in_network(self.lan.client.number), str(plain)]
        write_script(self._folder / "ssh", f'exec {shlex.join(way)} "$@"')

    def _leased(self) -> str:
        leases = self.lan.router.path("/run/dnsmasq.leases")
        # 1764000000 52:54:00:12:34:56 192.168.0.157 vhost ff:...
        rows = [line.split() for line in leases.read_text().splitlines()] if leases.exists() else []
        return next((row[2] for row in rows if row[1] == MAC), "")

    def ping_from_router(self, address: str) -> bool:
        """Whether the router gets an answer from an address of the LAN."""
        return self.lan.router.run(["ping", "-c", "1", "-W", "5", address], check=False).returncode == 0


def _in_network(number: int) -> list[str]:
    return ["nsenter", f"--net=/proc/{number}/ns/net"]
