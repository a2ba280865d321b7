"""The bridge that these tests make on the virtual host."""

import re
from typing import Any

import kvmkit as kk
from tests.acceptance.guest import BOOT_SECONDS
from tests.lab.waiting import wait_until

_ADDRESS = re.compile(r"kvmkit guest address: (\S+)")


def bridge(**wishes: Any) -> kk.BridgeSpec:
    # A trial has to last as long as an emulated machine takes over SSH.
    return kk.BridgeSpec(**{"nic": "eth0", "bridge": "br0", "allow_guest": True, "timeout": 300} | wishes)


def on_bridge(host: kk.Host) -> str:
    """Give the addresses that the host has on br0."""
    return str(kk.bridges(host)["addresses"]["br0"])


def leased_by_guest(host: kk.Host, name: str = "web1") -> str:
    """Wait until the VM says which address it was given on the network behind the bridge."""
    [address] = wait_until(
        lambda: _ADDRESS.findall(kk.console_log(host, name)), "an address for a VM", BOOT_SECONDS
    )
    return str(address)
