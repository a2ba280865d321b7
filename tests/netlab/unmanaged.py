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


OWNERS = (Iproute2(), Iproute2(many=True))
