"""A LAN in namespaces: the article's host on it, a router, and a client that lives in another subnet.

    client 10.0.0.2 --- 10.0.0.1 router 192.168.0.1 --- eth0 192.168.0.100 of the host
                                 router 192.168.1.1 --- eth1 of the host, down unless a test configures it

The router gives addresses and names by dnsmasq. The client is the only one who uses SSH, by the host's own
sshd through the very NIC that is bridged: a wrong gateway cuts it off, as it would a person.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from kvmkit.host import connect
from tests.lab import root
from tests.lab.machine import Machine
from tests.lab.ssh import make_key, write_script, write_ssh
from tests.lab.waiting import wait_until
from tests.netlab import peer

ADDRESS, GATEWAY, MAC = "192.168.0.100", "192.168.0.1", "52:54:00:00:01:00"
ADDRESS6, GATEWAY6 = "fd00:0:0:1::100", "fd00:0:0:1::1"
INTERVAL = 0.002
"""Seconds between two packets of a peer."""
NOTICED = 0.005
"""Seconds: shorter than that is no interruption. On a machine that is busy an answer may take as long."""
NAME, NAMED = "kvm.test", "192.168.0.77"
"""What the router's DNS knows."""


class Owner(Protocol):
    """Who configures eth0 of the host in a test."""

    name: str
    """As `Recipe.owner` has it."""

    def configure(self, host: "LanHost", *, dhcp: bool = False) -> None:
        """Write its files, as an installed system has them: the article's address, or DHCP."""

    def boot(self, host: "LanHost") -> None:
        """Do what the host's boot does, until eth0 is configured."""


class Lan:
    """Router and client; both live as long as this process at most."""

    def __init__(self) -> None:
        self.router, self.client = Machine("router", root.build), Machine("client", root.build)

    def __enter__(self) -> "Lan":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Bring router and client up and let them reach each other."""
        self.router.start()
        self.client.start()
        cable(self.router, "out0", self.client, "eth0")
        ip(self.client, "link set eth0 up", "addr add 10.0.0.2/24 dev eth0", "route add default via 10.0.0.1")
        ip(self.router, "addr add 10.0.0.1/24 dev out0")
        for number in (0, 1):
            # A bridge, as the host's cable goes with the host.
            ip(
                self.router,
                f"link add lan{number} address 52:54:00:00:0{number}:01 type bridge",
                f"addr add 192.168.{number}.1/24 dev lan{number}",
                f"link set lan{number} up",
            )
        ip(self.router, f"addr add {GATEWAY6}/64 dev lan0 nodad")
        # By a process of its own: whoever writes there writes to the network that he is in himself.
        self.router.run(["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])
        self.start_dnsmasq()

    def stop(self) -> None:
        """End both."""
        self.client.stop()
        self.router.stop()

    def start_dnsmasq(self) -> None:
        """Let the router give addresses, from .150 on, and names."""
        options = {
            "conf-file": "/dev/null",
            "interface": "lan0",
            "dhcp-range": f"{_net(ADDRESS)}.150,{_net(ADDRESS)}.199,1h",
            "address": f"/{NAME}/{NAMED}",
            "dhcp-leasefile": "/run/dnsmasq.leases",
        }
        flags = ["--no-resolv", "--no-hosts", "--user=root", "--no-ping"]
        self.router.run(["dnsmasq", *flags, *(f"--{name}={value}" for name, value in options.items())])


class LanHost(Machine):
    """The host: a Debian whose NIC eth0 is configured by `owner`.

    Its disk outlives a reboot; processes, /run and the kernel's network do not.

    Attributes
    ----------
    address : str
        By which ssh reaches it.
    """

    def __init__(self, lan: Lan, owner: Owner, *, dhcp: bool = False) -> None:
        super().__init__("host", root.build)
        self._lan, self._owner, self._dhcp = lan, owner, dhcp
        self.address = ADDRESS

    def start(self) -> None:
        """Install it and boot it."""
        super().start()
        self._owner.configure(self, dhcp=self._dhcp)
        self._boot()

    def stop(self) -> None:
        """End it, and the client's connection to it."""
        try:
            if (ssh := connect(self.ssh_uri).ssh) and self._init:
                subprocess.run([*ssh.argv, "-O", "exit"], capture_output=True, timeout=30, check=False)
        finally:
            super().stop()

    def lose_power(self) -> None:
        """Switch it off: the disk stays, all else is gone."""
        assert self._unshare is not None
        self.kill(1)
        self._unshare.wait(30)

    def reboot(self) -> None:
        """Switch it off and on again."""
        self.lose_power()
        self._init = self._start_namespaces(self._build())
        self.path("/run/sshd").mkdir()
        self._boot()

    def kill(self, number: int, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a process by its number on the host."""
        if number == 1:
            # Nobody inside may kill process 1.
            subprocess.run(["kill", f"-{how.name[3:]}", str(self._init)], check=True)
        else:
            self.run(["kill", f"-{how.name[3:]}", str(number)])

    def cut(self, nic: str = "eth0") -> None:
        """Pull the cable out of a NIC, at the router's end: the carrier goes."""
        ip(self._lan.router, f"link set {_port(nic)} down")

    def plug(self, nic: str = "eth0") -> None:
        """Plug it in again."""
        ip(self._lan.router, f"link set {_port(nic)} up")

    def processes(self) -> list[str]:
        """Command lines of everything that runs on it, but for its first process."""
        listed = self.run(["ps", "-e", "-o", "pid=,args="]).stdout.splitlines()
        rows = [line.split(maxsplit=1) for line in listed]
        return [args for number, args in rows if number != "1" and not args.startswith("ps -e ")]

    def _boot(self) -> None:
        for number, nic in enumerate(("eth0", "eth1")):
            # The kernel takes the cables of a machine that is gone away in its own time.
            self._lan.router.run(["ip", "link", "delete", "dev", _port(nic)], check=False)
            cable(self._lan.router, _port(nic), self, nic)
            ip(self._lan.router, f"link set {_port(nic)} master lan{number}")
        ip(self, f"link set eth0 address {MAC}", "link set eth1 address 52:54:00:00:02:00")
        self._owner.boot(self)
        self.run(["/usr/sbin/sshd"])
        self._name_address()

    def _name_address(self) -> None:
        """Tell ssh the address that the host has now, which DHCP may have chosen."""
        found = wait_until(
            lambda: ipv4_address(self, "eth0") or ipv4_address(self, "br0"), "the host has an address"
        )
        if found != self.address:
            self.address = found
            config = self._folder / "ssh_config"
            config.write_text(re.sub(r"HostName .*", f"HostName {found}", config.read_text()))

    def _write_ssh(self) -> None:
        folder = self._folder
        authorized = self.path("/root/.ssh/authorized_keys")
        authorized.parent.mkdir(mode=0o700, exist_ok=True)
        authorized.write_text(make_key(folder / "key"))
        self.path("/run/sshd").mkdir()
        host_key = self.path("/etc/ssh/ssh_host_ed25519_key.pub").read_text()
        plain = write_ssh(folder, self.name, folder / "key", host_key, {"HostName": ADDRESS})
        # From the client's network, with this machine's own ssh.
        way = [
            "nsenter",
            f"--net=/proc/{self._lan.client.number}/ns/net",
            str(plain.rename(folder / "plain")),
        ]
        write_script(folder / "ssh", f'exec {shlex.join(way)} "$@"')


class Guest(Machine):
    """A VM in all that a bridge can see of one: a MAC of its own behind a tap of the host."""

    def __init__(self) -> None:
        super().__init__("guest", root.build)

    def plug_into(self, host: LanHost, bridge: str) -> None:
        """Make its NIC a port of a bridge of the host, as libvirt would."""
        cable(host, "vnet0", self, "eth0")
        ip(host, f"link set vnet0 master {bridge}")

    def ask_for_address(self, timeout: int = 60) -> str:
        """Get an address by DHCP; empty if none is given within that many seconds."""
        self.run(["dhclient", "-1", "eth0"], check=False, timeout=timeout)
        return ipv4_address(self, "eth0")


class Peer:
    """Asks the host from the client's network for echoes, every 2 milliseconds."""

    def __init__(self, lan: Lan, address: str = ADDRESS) -> None:
        # Without the namespace of processes nsenter becomes the peer, and signals reach it.
        enter = ["nsenter", "--target", str(lan.client.number), "--net", "--"]
        # A file, not a pipe, which would be full after some seconds.
        self._out = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by stop)
        self._peer = subprocess.Popen(
            [*enter, sys.executable, "-u", peer.__file__, address, str(INTERVAL)], stdout=self._out
        )
        wait_until(lambda: os.fstat(self._out.fileno()).st_size, "the host answers its peer")

    def stop(self) -> "Interruption":
        """End, and say what was lost."""
        self._peer.send_signal(signal.SIGINT)
        self._peer.wait(30)
        with self._out as out:
            out.seek(0)
            rows = [line.split() for line in out]
        return interruption([(int(number), float(came), float(took)) for number, came, took in rows])


@dataclass(frozen=True)
class Interruption:
    """What a peer saw of it.

    Attributes
    ----------
    sent, lost
        How many packets were sent, and how many of those stayed without an answer.
    seconds
        The longest time without service: for which packets were lost, or after which the slowest was
        answered. That a peer had to wait for a processor, and asked nothing meanwhile, does not count. Not
        less than `NOTICED`.
    """

    sent: int
    lost: int
    seconds: float


def interruption(answers: Sequence[tuple[int, float, float]]) -> Interruption:
    """Judge by the answers: the number of a packet, when it came back, and how long that took (seconds)."""
    if not answers:
        return Interruption(0, 0, 0)
    sent = {number: at - took for number, at, took in answers}
    numbers = sorted(sent)
    gaps = [sent[after] - sent[before] for before, after in pairwise(numbers) if after > before + 1]
    longest = max([NOTICED, *gaps, *(took for _, _, took in answers)])
    # What was on its way at the end is not lost.
    return Interruption(numbers[-1], numbers[-1] - len(numbers), longest)


def cable(one: Machine, nic: str, other: Machine, other_nic: str) -> None:
    """Connect two machines, and switch the NIC of the first one on."""
    subprocess.run(
        [
            *("ip", "link", "add", nic, "netns", str(one.number), "type", "veth"),
            *("peer", "name", other_nic, "netns", str(other.number)),
        ],
        check=True,
        timeout=30,
    )
    ip(one, f"link set {nic} up")


def ipv4_address(machine: Machine, nic: str) -> str:
    """Give the first IPv4 address of a NIC; empty if it has none, or there is no such NIC."""
    found = machine.run(["ip", "-4", "-o", "addr", "show", "dev", nic], check=False).stdout.split()
    return found[3].partition("/")[0] if len(found) > 3 else ""


def ip(machine: Machine, *lines: str) -> None:
    """Run `ip` with each of these lines."""
    machine.run(["ip", "-batch", "-"], given="".join(f"{line}\n" for line in lines))


def _port(nic: str) -> str:
    return f"to-{nic}"


def _net(address: str) -> str:
    return address.rpartition(".")[0]
