"""Bridges, and what filters the packets that cross them."""

from __future__ import annotations

from functools import partial

from kvmkit.check.facts import Facts
from kvmkit.check.system import NO_SYSTEMD
from kvmkit.report import Check, Status

__all__ = ["judge_network"]

# Made by libvirt, Docker (br- for all but its first), Podman and LXC for their own networks.
PRIVATE = ("virbr", "docker", "br-", "podman", "cni", "lxcbr", "lxdbr", "incusbr")


def judge_network(facts: Facts) -> list[Check]:
    """Judge bridges, netfilter on bridges, forwarding, firewalls and NetworkManager."""
    return [_bridges(facts), _bridge_netfilter(facts), _forwarding(facts), _firewalls(facts), _manager(facts)]


def _bridges(facts: Facts) -> Check:
    row = partial(
        Check,
        "bridges",
        expected="a bridge with a network card in it, where other machines are to reach VMs",
        why="libvirt's own network hides VMs behind the host (NAT); on a bridge they are its neighbours",
        runbook="30-bridge",
    )
    own = {name: ports for name, ports in facts.bridges.items() if not name.startswith(PRIVATE)}
    if own:
        return row(Status.PASS, ", ".join(f"{name} ({' '.join(own[name]) or 'no ports'})" for name in own))
    private = f"none but {', '.join(facts.bridges)}, of networks inside the host" if facts.bridges else "none"
    return row(Status.PASS, private, fix="make one, if other machines are to reach VMs")


def _bridge_netfilter(facts: Facts) -> Check:
    row = partial(
        Check,
        "netfilter on bridges",
        expected="off (0, or br_netfilter not loaded)",
        why="when it is on, what VMs on a bridge say to the network passes the host's FORWARD rules",
    )
    names = [name for name in ("call-iptables", "call-ip6tables", "call-arptables") if name in facts.values]
    if not names:
        return row(Status.PASS, "off: br_netfilter is not loaded")
    found = ", ".join(f"bridge-nf-{name}={facts.values[name]}" for name in names)
    # No fault in itself, and Docker wants it; whether it hurts is judged with the FORWARD rules.
    fix = "only if forwarding drops: sysctl net.bridge.bridge-nf-call-iptables=0" if _filtered(facts) else ""
    return row(Status.PASS, found, fix=fix)


def _filtered(facts: Facts) -> bool:
    return facts.values.get("call-iptables") == "1"


def _forwarding(facts: Facts) -> Check:
    row = partial(
        Check,
        "forwarding",
        expected="accept, or rules that let VMs through",
        why="a host can be reached while its VMs cannot: their packets pass FORWARD, its own do not",
    )
    if facts.forward_policies is None:
        return row(
            Status.SKIP, f"cannot be told: {facts.user} may not read the firewall's rules, or has no nft to"
        )
    found = ", ".join(facts.forward_policies) or "no rules"
    if not any(policy.endswith("drop") for policy in facts.forward_policies):
        return row(Status.PASS, found)
    if _filtered(facts):
        rule = "iptables -I FORWARD -m physdev --physdev-is-bridged -j ACCEPT"
        fix = f"{rule}, kept as the distribution keeps it"
        return row(Status.WARN, f"{found}: VMs on a bridge are cut off, as netfilter is on there", fix=fix)
    unless = "libvirt's own rules let its networks through, unless its backend is nftables"
    fix = f"try a VM's connection; {unless}"
    return row(Status.WARN, f"{found}: VMs on libvirt's networks may be cut off", fix=fix)


def _firewalls(facts: Facts) -> Check:
    row = partial(
        Check,
        "firewalls",
        expected="any, with the bridge of the VMs in mind",
        why="a bridge of your own is not in firewalld's zone for libvirt; Docker and ufw make FORWARD drop",
    )
    running = [name for name in ("firewalld", "docker") if facts.runs(f"{name}.service")]
    running += ["ufw"] * facts.ufw
    if facts.units is None and not running:
        return row(Status.SKIP, NO_SYSTEMD)
    return row(Status.PASS, ", ".join(running) or "none of firewalld, ufw and Docker")


def _manager(facts: Facts) -> Check:
    row = partial(
        Check,
        "NetworkManager",
        expected="running or not",
        why="it makes bridges itself, and need not be stopped for one, as older instructions say",
    )
    if facts.units is None:
        return row(Status.SKIP, NO_SYSTEMD)
    return row(Status.PASS, "running" if facts.runs("NetworkManager.service") else "not running")
