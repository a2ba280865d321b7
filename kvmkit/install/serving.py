"""Where a guest reaches this machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

from kvmkit.errors import Unsupported
from kvmkit.host import Host
from kvmkit.vm.spec import VMSpec
from kvmkit.vm.xml import parse

__all__ = ["my_address"]


def my_address(host: Host, spec: VMSpec) -> str:
    """Find the address of this machine that a VM of a host sees.

    It is the one from which the host is reached; on the host itself that of the VM's network or bridge.

    Raises
    ------
    Unsupported
        There is none.
    """
    found = next((address for address in _candidates(host, spec) if _ours(address)), "")
    if not found:
        raise Unsupported(
            f"a VM of {host.uri} has no way to this machine, so answers cannot be served to it over http; "
            "delivery='initrd' or 'seed' needs none"
        )
    return found


def _candidates(host: Host, spec: VMSpec) -> Iterator[str]:
    if host.ssh:
        yield from host.run(["sh", "-c", 'echo "$SSH_CONNECTION"']).stdout.split()[:1]  # sshd(8)
    if spec.bridge:
        told = host.run(["ip", "-4", "-o", "address", "show", "dev", spec.bridge, "scope", "global"]).stdout
        yield from (line.split()[3].partition("/")[0] for line in told.splitlines())
    elif spec.network:
        with host.reading(f"look for the address of network {spec.network}") as connection:
            xml = parse(connection.networkLookupByName(spec.network).XMLDesc())
        yield from (element.get("address") for element in xml.iterfind("ip"))


def _ours(address: str) -> bool:
    try:
        kind = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except (OSError, ValueError):  # sshd calls a client that came by no network UNKNOWN
        return False
    return True
