"""Where a guest reaches this machine."""

from __future__ import annotations

from kvmkit.errors import Unsupported
from kvmkit.host import Host
from kvmkit.vm.spec import VMSpec
from kvmkit.vm.xml import parse

__all__ = ["my_address"]


def my_address(host: Host, spec: VMSpec) -> str:
    """Find the address of this machine that a VM of a host sees.

    On the host itself it is that of the VM's network or bridge; elsewhere it is the one from which the
    host is reached.

    Raises
    ------
    Unsupported
        There is none.
    """
    if host.ssh:
        found = host.run(["sh", "-c", 'echo "$SSH_CONNECTION"']).stdout.split()[:1]  # sshd(8)
    elif spec.bridge:
        told = host.run(["ip", "-4", "-o", "address", "show", "dev", spec.bridge, "scope", "global"]).stdout
        found = [told.split()[3].partition("/")[0]] if told else []
    else:
        found = _of_network(host, spec.network)
    if not found:
        raise Unsupported(
            f"a VM of {host.uri} has no way to this machine, so answers cannot be served to it over http; "
            "delivery='initrd' or 'seed' needs none"
        )
    return found[0]


def _of_network(host: Host, name: str) -> list[str]:
    if not name:
        return []
    with host.reading(f"look for the address of network {name}") as connection:
        element = parse(connection.networkLookupByName(name).XMLDesc()).find("ip")
    return [] if element is None else [element.get("address")]
