"""A profile as nmcli shows it, made into the keyfile that NetworkManager 1.42 itself wrote of it."""

from configparser import ConfigParser

from kvmkit.bridge.backends.keyfile import keyfile, section

SHOWN = """\
connection.zone:work
connection.mdns:2
connection.llmnr:1
802-3-ethernet.port:
802-3-ethernet.speed:0
802-3-ethernet.duplex:
802-3-ethernet.auto-negotiate:yes
802-3-ethernet.cloned-mac-address:stable
802-3-ethernet.mtu:9000
802-3-ethernet.wake-on-lan:unicast, magic
802-3-ethernet.accept-all-mac-addresses:-1
ipv4.method:manual
ipv4.dns:1.1.1.1,8.8.8.8
ipv4.dns-search:a.b,c.d
ipv4.dns-options:edns0,rotate
ipv4.dns-priority:0
ipv4.addresses:10.0.0.1/8, 10.0.0.2/8
ipv4.routes:10.5.0.0/16 10.0.0.3 7 mtu=1400 onlink=true, 10.6.0.0/16 10.0.0.3
ipv4.route-metric:-1
ipv4.route-table:5
ipv4.ignore-auto-routes:no
ipv4.ignore-auto-dns:no
ipv4.dhcp-client-id:01:02:03
ipv4.dhcp-timeout:0
ipv4.dhcp-send-hostname:yes
ipv4.dhcp-hostname-flags:0x0
ipv4.never-default:yes
ipv4.may-fail:no
ipv4.required-timeout:1000
ipv4.dad-timeout:500
ipv4.link-local:3
ipv4.dhcp-reject-servers:10.0.0.9
ipv6.method:auto
ipv6.ip6-privacy:2
ipv6.addr-gen-mode:stable-privacy
ipv6.ra-timeout:0
ipv6.mtu:1400
ipv6.dhcp-duid:ll
"""
WRITTEN = """\
[connection]
llmnr=1
mdns=2
zone=work

[ethernet]
auto-negotiate=true
cloned-mac-address=stable
mtu=9000
wake-on-lan=68

[ipv4]
address1=10.0.0.1/8
address2=10.0.0.2/8
dad-timeout=500
dhcp-client-id=01:02:03
dhcp-reject-servers=10.0.0.9;
dns=1.1.1.1;8.8.8.8;
dns-options=edns0;rotate;
dns-search=a.b;c.d;
link-local=3
may-fail=false
method=manual
never-default=true
required-timeout=1000
route-table=5
route1=10.5.0.0/16,10.0.0.3,7
route1_options=mtu=1400,onlink=true
route2=10.6.0.0/16,10.0.0.3

[ipv6]
addr-gen-mode=stable-privacy
dhcp-duid=ll
ip6-privacy=2
method=auto
mtu=1400
"""


def parsed(text: str) -> dict[str, dict[str, str]]:
    found = ConfigParser(interpolation=None, delimiters=("=",))
    found.read_string(text)
    return {name: dict(found[name]) for name in found.sections()}


def test_every_kind_of_value_is_written_as_networkmanager_does() -> None:
    settings = dict(line.split(":", 1) for line in SHOWN.splitlines())
    names = {"connection": "connection", "ethernet": "802-3-ethernet", "ipv4": "ipv4", "ipv6": "ipv6"}

    text = keyfile({name: section(settings, setting) for name, setting in names.items()})

    assert parsed(text) == parsed(WRITTEN)
