"""What the probe tells of a real network: that of the sandbox, changed by `ip`; in every shell."""

import shutil

import pytest

import kvmkit as kk
from kvmkit.bridge.decide import unfit
from kvmkit.bridge.facts import Network, Way
from kvmkit.bridge.read import parse_network, probe_script
from kvmkit.sandbox import Sandbox

SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"], ["sh"]]


def ip(sandbox: Sandbox, *lines: str) -> None:
    for line in lines:
        result = sandbox.run(["ip", *line.split()], "", 30)
        assert result.exit_code == 0, result.stderr


def read(sandbox: Sandbox, *words: str, shell: tuple[str, ...] = ("sh",)) -> Network:
    result = sandbox.run([*shell, "-s", "network", *words], probe_script(), 60)
    assert result.exit_code == 0
    assert result.stderr == ""
    return parse_network(result.stdout)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_it_runs_in_every_shell(sandbox: Sandbox, shell: list[str]) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed here")
    network = read(sandbox, "", shell=tuple(shell))

    eth0 = network.link("eth0")
    assert eth0 is not None
    assert [address.cidr for address in eth0.global_addresses] == ["192.168.0.100/24"]
    assert network.dns.servers == ("192.168.0.1",)
    assert network.ways == {"192.168.0.1": Way("eth0", None)}
    assert network.session is None
    assert network.claims == ()


def test_who_answers_is_found_by_asking(sandbox: Sandbox) -> None:
    assert read(sandbox, "", "reach").ways == {"192.168.0.1": Way("eth0", True)}
    ip(sandbox, "route replace default via 192.168.0.99")
    assert read(sandbox, "", "reach").ways == {
        "192.168.0.99": Way("eth0", False),
        "192.168.0.1": Way("eth0", True),
    }


def test_ones_own_session_and_the_way_to_it(sandbox: Sandbox) -> None:
    network = read(sandbox, "192.168.0.1 50000 192.168.0.100 22")
    assert network.session is not None
    assert (network.session.client, network.session.server) == ("192.168.0.1", "192.168.0.100")
    ip(sandbox, "link add eth1 type veth peer name lan1", "addr add 10.9.0.1/24 dev eth1", "link set eth1 up")
    ip(sandbox, "link set lan1 up")
    assert read(sandbox, "10.9.0.2 50000 10.9.0.1 22").ways["10.9.0.2"] == Way("eth1", None)


def test_bridges_rules_and_several_next_hops(sandbox: Sandbox) -> None:
    ip(
        sandbox,
        "link add br7 type bridge stp_state 1 forward_delay 400",
        "link add eth1 type veth peer name lan1",
        "link set eth1 master br7",
        "link set eth1 up",
        "link set lan1 up",
        "link set br7 up",
        "rule add from 10.0.0.0/8 table 100",
        "route add 10.1.0.0/16 nexthop via 192.168.0.1 nexthop via 192.168.0.2",
        "route add blackhole 10.2.0.0/16",
        "route add 10.3.0.0/16 via 192.168.0.1 metric 50 mtu 1400",
    )
    network = read(sandbox, "")

    br7 = network.link("br7")
    assert br7 is not None
    assert br7.bridge is not None
    assert (br7.bridge.stp, br7.bridge.forward_delay) == (True, 4)
    assert network.ports_of("br7") == ("eth1",)
    assert "in bridge br7" in unfit(network, "eth1")
    assert unfit(network, "lan1") == ""
    assert len(network.rules) == 1
    assert "table 100" in network.rules[0]
    routes = {route.destination: route for route in network.routes}
    assert routes["10.1.0.0/16"].hops == 2
    assert routes["10.2.0.0/16"].kind == "blackhole"
    assert (routes["10.3.0.0/16"].metric, routes["10.3.0.0/16"].mtu) == (50, 1400)


def test_a_trial_that_nobody_has_decided_is_seen(sandbox: Sandbox) -> None:
    assert sandbox.run(["mkdir", "-p", "/run/kvmkit/trial"], "", 30).exit_code == 0
    assert read(sandbox, "").transactions == ()
    assert sandbox.run(["touch", "/run/kvmkit/trial/armed"], "", 30).exit_code == 0
    assert read(sandbox, "").transactions == ("/run/kvmkit/trial/armed",)


def test_who_is_defined_on_a_link_is_found_in_libvirts_files(sandbox: Sandbox) -> None:
    files = {
        "/etc/libvirt/qemu/web1.xml": "<source dev='/dev/sdb'/>\n<source dev='eth0' mode='bridge'/>",
        "/etc/libvirt/qemu/web2.xml": "<source network='lan' bridge='br0'/> <source file='/a'/>",
        "/etc/libvirt/qemu/networks/lan.xml": "<forward dev='eth0' mode='nat'>\n<interface dev='eth0'/>",
    }
    for path, text in files.items():
        write = ["sh", "-c", 'mkdir -p "${1%/*}" && cat >"$1"', "sh", path]
        assert sandbox.run(write, text, 30).exit_code == 0
    assert read(sandbox, "").users == {"eth0": ("VM web1", "network lan"), "br0": ("VM web2",)}


def test_the_recorded_network_is_the_one_that_the_sandbox_makes(
    host: kk.Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan() -> kk.Plan:
        return kk.plan_bridge(host, kk.BridgeSpec(nic="eth0"))

    def none(_host: kk.Host) -> kk.Host:
        raise kk.Unsupported("no namespaces here")

    try:
        host.networked()
    except kk.Unsupported as error:
        pytest.skip(str(error))
    real = plan()
    monkeypatch.setattr(kk.Host, "networked", none)
    assert plan() == real
