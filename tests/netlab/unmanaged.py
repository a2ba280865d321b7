"""Owners of eth0 that are no daemons: ifupdown, and nobody."""

from dataclasses import dataclass

from tests.netlab.lan import ADDRESS, ADDRESS6, GATEWAY, GATEWAY6, LanHost, ip

SECOND = "192.168.0.101"


@dataclass
class Iproute2:
    """A script of the host's own configures eth0 at boot, with `ip`; nobody minds it afterwards."""

    many: bool = False
    name: str = "iproute2"

    def configure(self, host: LanHost, *, dhcp: bool = False) -> None:
        """Write who answers for names; DHCP without a client there is not."""
        assert not dhcp
        host.path("/etc/resolv.conf").write_text(f"nameserver {GATEWAY}\n")

    def boot(self, host: LanHost) -> None:
        """Run the script."""
        ip(
            host,
            "link set eth0 up",
            f"addr add {ADDRESS}/24 broadcast + dev eth0",
            f"route add default via {GATEWAY} dev eth0" + (" metric 42" if self.many else ""),
        )
        if self.many:
            ip(
                host,
                f"addr add {SECOND}/24 dev eth0",
                f"addr add {ADDRESS6}/64 dev eth0 nodad",
                f"route add ::/0 via {GATEWAY6} dev eth0",
                "route add 10.9.0.0/16 via 192.168.0.2 dev eth0 metric 50 proto static",
            )


_HEAD = """\
# This file describes the network interfaces available on your system
# and how to activate them. For more information, see interfaces(5).

source /etc/network/interfaces.d/*

# The loopback network interface
auto lo
iface lo inet loopback

# The primary network interface
"""
_STATIC = f"""\
allow-hotplug eth0
iface eth0 inet static
	address {ADDRESS}/24
	gateway {GATEWAY}
	# dns-* options are implemented by the resolvconf package, if installed
	dns-nameservers {GATEWAY}
"""
_MANY = f"""\
auto eth0
iface eth0 inet static
	address {ADDRESS}
	netmask 255.255.255.0
	gateway {GATEWAY}
	metric 42
	up ip route add 10.9.0.0/16 via 192.168.0.2 dev eth0 metric 50 proto static

iface eth0 inet static
	address {SECOND}/24

iface eth0 inet6 static
	address {ADDRESS6}/64
	gateway {GATEWAY6}
"""
_DHCP = """\
allow-hotplug eth0
iface eth0 inet dhcp
"""


@dataclass
class Ifupdown:
    """ifupdown as Debian's installer leaves it; `many` is what an administrator made of that."""

    many: bool = False
    name: str = "ifupdown"

    def configure(self, host: LanHost, *, dhcp: bool = False) -> None:
        """Write /etc/network/interfaces, and who answers for names: dhclient rewrites that, nobody else."""
        text = _DHCP if dhcp else _MANY if self.many else _STATIC
        host.path("/etc/network/interfaces").write_text(_HEAD + text)
        host.path("/etc/resolv.conf").write_text(f"nameserver {GATEWAY}\n")

    def boot(self, host: LanHost) -> None:
        """Do what networking.service does."""
        host.run(["mkdir", "-p", "/run/network"])
        host.run(["ifup", "-a"])
        host.run(["ifup", "-a", "--allow=hotplug"])
