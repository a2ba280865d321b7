"""Network managers on the host of the LAN: each a real daemon that owns eth0, as on an installed system.

`many` gives eth0 more than the article's one address: a second one, IPv6, and routes with metrics.
"""

from dataclasses import dataclass

from tests.lab.waiting import wait_until
from tests.netlab.lan import ADDRESS, ADDRESS6, GATEWAY, GATEWAY6, LanHost

SECOND = "192.168.0.101"
"""The other address of `many`."""

PROFILE = "0d7c2a0e-7c9f-4f0f-9d36-1f4d3f4a0001"
"""UUID of NetworkManager's profile of eth0; its name is `lan`."""

_NM_PID = "/run/NetworkManager/NetworkManager.pid"
_DISPATCHER = "/usr/share/dbus-1/system-services/org.freedesktop.nm_dispatcher.service"
_NM_CONF = """\
[main]
plugins=keyfile
no-auto-default=*
auth-polkit=false
"""
_NM_PROFILE = f"""\
[connection]
id=lan
uuid={PROFILE}
type=ethernet
interface-name=eth0

"""
_NM_STATIC = f"""\
[ipv4]
method=manual
address1={ADDRESS}/24,{GATEWAY}
dns={GATEWAY};

[ipv6]
method=link-local
"""
_NM_MANY = f"""\
[ipv4]
method=manual
address1={ADDRESS}/24,{GATEWAY}
address2={SECOND}/24
dns={GATEWAY};
route1=10.9.0.0/16,192.168.0.2,50
route-metric=42

[ipv6]
method=manual
address1={ADDRESS6}/64,{GATEWAY6}
route1=fd00:0:0:9::/64,fd00:0:0:1::2,60
"""
_NM_DHCP = "[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=link-local\n"

_NETWORKD_MATCH = "[Match]\nName=eth0\n\n"
_NETWORKD_STATIC = f"""\
[Network]
Address={ADDRESS}/24
Gateway={GATEWAY}
DNS={GATEWAY}
IPv6AcceptRA=no
"""
_NETWORKD_MANY = f"""\
[Network]
Address={ADDRESS}/24
Address={ADDRESS6}/64
DNS={GATEWAY}
IPv6AcceptRA=no

[Address]
Address={SECOND}/24

[Route]
Gateway={GATEWAY}
Metric=42

[Route]
Gateway={GATEWAY6}

[Route]
Destination=10.9.0.0/16
Gateway=192.168.0.2
Metric=50
"""
_NETWORKD_DHCP = "[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\n"

_NETPLAN_STATIC = f"""\
      addresses: [{ADDRESS}/24]
      routes:
        - to: default
          via: {GATEWAY}
      nameservers:
        addresses: [{GATEWAY}]
"""
_NETPLAN_MANY = f"""\
      addresses: [{ADDRESS}/24, {SECOND}/24, "{ADDRESS6}/64"]
      routes:
        - to: default
          via: {GATEWAY}
          metric: 42
        - to: default
          via: "{GATEWAY6}"
        - to: 10.9.0.0/16
          via: 192.168.0.2
          metric: 50
      nameservers:
        addresses: [{GATEWAY}]
"""
_NETPLAN_DHCP = "      dhcp4: true\n"


_BUS = "org.freedesktop.DBus"
_NM_OWNED = [
    *("busctl", "call", _BUS, "/org/freedesktop/DBus", _BUS),
    *("NameHasOwner", "s", "org.freedesktop.NetworkManager"),
]


@dataclass
class NetworkManager:
    """NetworkManager with a keyfile profile."""

    many: bool = False
    name: str = "NetworkManager"

    def configure(self, host: LanHost, *, dhcp: bool = False) -> None:
        """Write its settings and the profile of eth0."""
        _write(host, "/etc/NetworkManager/NetworkManager.conf", _NM_CONF)
        text = _NM_DHCP if dhcp else _NM_MANY if self.many else _NM_STATIC
        _write(host, "/etc/NetworkManager/system-connections/lan.nmconnection", _NM_PROFILE + text, 0o600)

    def boot(self, host: LanHost) -> None:
        """Start D-Bus and the daemon, as systemd would."""
        _start_bus(host)
        self.start(host)
        wait_until(lambda: self._state(host).startswith("100 "), "NetworkManager has connected eth0")

    def start(self, host: LanHost) -> None:
        """Start the daemon; it answers when this returns."""
        # It comes and goes as it likes, and has nothing to do here.
        host.path(_DISPATCHER).unlink(missing_ok=True)
        # Of one that was killed: while that has not been reaped, another one takes it for running.
        host.path(_NM_PID).unlink(missing_ok=True)
        # And the bus may not have seen its end: another one gives up then.
        wait_until(
            lambda: host.run(_NM_OWNED).stdout == "b false\n", "NetworkManager's name is free on the bus"
        )
        host.run(["NetworkManager"])
        wait_until(lambda: self._state(host), "NetworkManager answers")

    def pid(self, host: LanHost) -> int:
        """Give the daemon's number on the host."""
        return int(host.path(_NM_PID).read_text())

    def _state(self, host: LanHost) -> str:
        return host.run(["nmcli", "-g", "GENERAL.STATE", "device", "show", "eth0"], check=False).stdout


@dataclass
class Networkd:
    """systemd-networkd with a file in /etc."""

    many: bool = False
    name: str = "systemd-networkd"

    def configure(self, host: LanHost, *, dhcp: bool = False) -> None:
        """Write the file of eth0."""
        text = _NETWORKD_DHCP if dhcp else _NETWORKD_MANY if self.many else _NETWORKD_STATIC
        _write(host, "/etc/systemd/network/20-lan.network", _NETWORKD_MATCH + text)

    def boot(self, host: LanHost) -> None:
        """Start D-Bus and the daemon, as systemd would."""
        _start_bus(host)
        # What tmpfiles.d makes. Without /run/systemd/system nobody takes this for a system run by systemd.
        folders = [
            f"/run/systemd/{name}" for name in ("netif/links", "netif/leases", "netif/lldp", "network")
        ]
        host.run(["mkdir", "-p", *folders])
        host.run(["chown", "-R", "systemd-network:", "/run/systemd/netif"])
        self.start(host)
        wait_until(lambda: self._ready(host), "systemd-networkd has configured eth0")

    def start(self, host: LanHost) -> None:
        """Start the daemon; it answers when this returns."""
        host.run(["setsid", "--fork", "/lib/systemd/systemd-networkd"])
        wait_until(lambda: self._said(host), "systemd-networkd answers")

    def pid(self, host: LanHost) -> int:
        """Give the daemon's number on the host."""
        # The kernel keeps 15 characters of a name.
        return int(host.run(["pgrep", "-x", "systemd-network"]).stdout)

    def _ready(self, host: LanHost) -> bool:
        # While it looks for IPv6 routers, of which the LAN has none, it says "configuring", for long.
        routes = host.run(["ip", "-4", "route", "show", "default"]).stdout
        tentative = host.run(["ip", "-o", "addr", "show", "tentative"]).stdout
        ready = {"routable", "enslaved"} & set(self._said(host))
        return bool(ready and routes) and not tentative

    def _said(self, host: LanHost) -> list[str]:
        return host.run(["networkctl", "list", "--no-legend", "eth0"], check=False).stdout.split()


@dataclass
class Netplan:
    """netplan, for the one daemon or the other."""

    daemon: NetworkManager | Networkd
    many: bool = False
    name: str = "netplan"

    def configure(self, host: LanHost, *, dhcp: bool = False) -> None:
        """Write its YAML, and nothing for the daemon itself but what the distribution has."""
        if isinstance(self.daemon, NetworkManager):
            _write(host, "/etc/NetworkManager/NetworkManager.conf", _NM_CONF)
        renderer = "networkd" if isinstance(self.daemon, Networkd) else "NetworkManager"
        text = _NETPLAN_DHCP if dhcp else _NETPLAN_MANY if self.many else _NETPLAN_STATIC
        head = f"network:\n  version: 2\n  renderer: {renderer}\n  ethernets:\n    eth0:\n"
        _write(host, "/etc/netplan/01-lan.yaml", head + text, 0o600)

    def boot(self, host: LanHost) -> None:
        """Render, as a generator of systemd does, then start the daemon."""
        host.run(["netplan", "generate"])
        self.daemon.boot(host)

    def start(self, host: LanHost) -> None:
        """Start the daemon; it answers when this returns."""
        self.daemon.start(host)

    def pid(self, host: LanHost) -> int:
        """Give the daemon's number on the host."""
        return self.daemon.pid(host)


def _start_bus(host: LanHost) -> None:
    # NetworkManager and systemd-networkd wait for udev where /sys is writable, and there is none.
    host.run(["mount", "-o", "remount,bind,ro", "/sys"])
    host.run(["mkdir", "-p", "/run/dbus"])
    # DHCP clients know themselves by it.
    host.run(["systemd-machine-id-setup"])
    host.run(["dbus-daemon", "--system", "--fork", "--nopidfile"])


def _write(host: LanHost, path: str, text: str, mode: int = 0o644) -> None:
    file = host.path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
