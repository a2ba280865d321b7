"""What a user of the host without rights can do about a bridge that is planned there: nothing."""

import pytest

import kvmkit as kk
from tests.lab.waiting import wait_until
from tests.netlab.conftest import SIMPLE, Booted
from tests.netlab.lan import ADDRESS, LanHost, Owner
from tests.netlab.managers import PROFILE, NetworkManager

OWNED = "/root/owned"
EVIL = "192.0.2.66"
"""A DNS server of the attacker's."""
INTERFACES = f"""
### file /etc/network/interfaces.d/aaa
|iface eth0 inet manual
|    pre-up touch {OWNED}
### file /etc/systemd/network/20-lan.network
|[Network]
|DNS={EVIL}
### file /etc/netplan/99.yaml
|network: {{ethernets: {{eth0: {{nameservers: {{addresses: [{EVIL}]}}}}}}}}
### daemons"""
FORGED_PROFILE = f"""connection.id:mine
connection.uuid:{PROFILE}
connection.interface-name:eth0
ipv4.method:manual
ipv4.addresses:{ADDRESS}/24
ipv4.gateway:192.168.0.1
ipv4.dns:{EVIL}
connection.id:rest"""
PROFILES = f"\n### nm profiles\n{FORGED_PROFILE}\n### daemons"
TRIAL = "\n### transactions\n/run/kvmkit/trial/armed\n### daemons"


def call_oneself_dhclient(machine: LanHost, *arguments: str) -> None:
    """Run a process of that name with these arguments, as a user without rights."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    machine.run(["sh", "-c", "cp /bin/dash /opt/dhclient && chmod 755 /opt/dhclient"])
    shell = 'setsid -f "$@" </dev/null >/dev/null 2>&1'
    words = ["/opt/dhclient", "-c", "sleep 300; :", *arguments]
    machine.run(["sh", "-c", shell, "sh", *nobody, *words])
    wait_until(lambda: any("/opt/dhclient" in line for line in machine.processes()), "it runs")


@pytest.mark.parametrize("owner", SIMPLE, ids=lambda owner: owner.name)
def test_arguments_of_a_process_do_not_change_a_plan(owner: Owner, booted: Booted) -> None:
    scene = booted(owner)
    honest = scene.plan(timeout=60)

    call_oneself_dhclient(scene.machine, "eth0", INTERFACES, PROFILES, TRIAL)
    attacked = scene.plan(timeout=60)

    assert (attacked.id, attacked.shown) == (honest.id, honest.shown)
    if owner.name == "ifupdown":
        assert kk.apply(attacked).ok
        assert not scene.machine.path(OWNED).exists()


def test_a_connections_name_does_not_change_a_plan(booted: Booted) -> None:
    scene = booted(NetworkManager())
    scene.machine.run(["nmcli", "connection", "modify", "lan", "connection.id", f"lan\n{FORGED_PROFILE}"])

    with pytest.raises(kk.InvalidSpec, match="value of several lines"):
        scene.plan()


def test_a_sourced_file_that_changes_after_planning_is_seen(booted: Booted) -> None:
    from tests.netlab.unmanaged import Ifupdown

    scene = booted(Ifupdown())
    sourced = scene.machine.path("/etc/network/interfaces.d/more")
    sourced.write_text("iface dummy0 inet manual\n")
    plan = scene.plan()
    sourced.write_text("iface dummy0 inet manual\n    up true\n")

    with pytest.raises(kk.ApplyFailed, match="changed by somebody"):
        kk.apply(plan)
