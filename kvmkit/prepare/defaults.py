"""plan_defaults: the storage pool and the network that VMs use unless told otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libvirt
from lxml import etree

from kvmkit.actions import action
from kvmkit.check.facts import FOLDER, TAKEN, read_defaults
from kvmkit.errors import Conflict, Unsupported
from kvmkit.host import Host
from kvmkit.plan import Plan, Step

__all__ = ["plan_defaults"]

NAME = "default"
XML = {
    # libvirt's own folder: Debian, Red Hat and SUSE alike, with the right labels.
    "pool": """\
<pool type='dir'>
  <name>default</name>
  <target>
    <path>/var/lib/libvirt/images</path>
  </target>
</pool>
""",
    # As libvirt ships it (src/network/default.xml).
    "network": """\
<network>
  <name>default</name>
  <bridge name='virbr0'/>
  <forward/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='192.168.122.2' end='192.168.122.254'/>
    </dhcp>
  </ip>
</network>
""",
}


def plan_defaults(host: Host) -> Plan:
    """Plan the pool and the network named ``default``: defined, started, and started with the host.

    Parameters
    ----------
    host
        A host whose libvirt answers, the practice host too.

    Returns
    -------
    Plan
        What is missing: the pool in ``/var/lib/libvirt/images``, the network
        192.168.122.0/24 behind NAT as libvirt ships it. One that is there keeps its
        definition. No pool if one of another name has that folder; a note says so. Empty if both are
        defined, active and autostarted.

    Raises
    ------
    HostUnavailable
        libvirt does not answer: kk.plan_service(host).
    Unsupported
        With ``qemu:///session``, which has neither.

    Examples
    --------
    >>> import kvmkit as kk
    >>> plan = kk.plan_defaults(kk.connect("test:///default"))
    >>> [step.title for step in plan.steps]
    ['start pool default with the host', 'start network default with the host']
    """
    if host.is_session:
        raise Unsupported(f"{host.uri} makes its pools itself, and has no network of its own")
    found = read_defaults(host)
    notes = []
    if found["pool"] == {TAKEN}:
        del found["pool"]
        notes.append(f"{FOLDER} belongs to another pool, so that none is made: name that one, VMSpec(pool=…)")
    steps = tuple(step for kind, words in found.items() for step in _steps(kind, words))
    shown = {f"The {kind}": XML[kind] for kind, words in found.items() if "defined" not in words}
    title = "the default pool and network"
    return Plan(uri=host.uri, title=title, steps=steps, notes=tuple(notes), shown=shown)


def _steps(kind: str, words: frozenset[str]) -> Iterator[Step]:
    verbs = (
        ("defined", "define", f"define {kind} {NAME}", "undefine it"),
        ("active", "start", f"start {kind} {NAME}", "stop it"),
        ("autostart", "autostart", f"start {kind} {NAME} with the host", "no longer"),
    )
    for word, verb, title, undo in verbs:
        if word not in words:
            args = {"name": NAME, "xml": XML[kind]}
            yield Step(action=f"{kind}-{verb}", title=title, undo=undo, args=args)


class _Thing:
    """What the actions share: the kind they are for."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def find(self, connection: libvirt.virConnect) -> Any:
        """Find the pool or network; None if there is none. By list, as that is no error here."""
        things = connection.listAllStoragePools() if self.kind == "pool" else connection.listAllNetworks()
        return next((thing for thing in things if thing.name() == NAME), None)

    def look(self, host: Host) -> Any:
        """Find it, in a connection for reading."""
        with host.reading(f"look for {self.kind} {NAME}") as connection:
            return self.find(connection)


class Define(_Thing):
    """``name``, ``xml``: define it."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        return self.look(host) is not None

    def make(self, host: Host, step: Step, token: str) -> None:
        with host.changing(f"define {self.kind} {NAME}") as connection:
            if self.kind == "pool":
                connection.storagePoolDefineXML(step.args["xml"], 0)
            else:
                connection.networkDefineXML(step.args["xml"])

    def unmake(self, host: Host, step: Step) -> None:
        """Undefine it; volumes stay."""
        with host.changing(f"undefine {self.kind} {NAME}") as connection:
            thing = self.find(connection)
            if thing is None:
                return
            if host.practice and thing.isActive():
                thing.destroy()  # it starts whatever is defined
            thing.undefine()


class Start(_Thing):
    """``name``: start it."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        thing = self.look(host)
        return thing is not None and bool(thing.isActive())

    def make(self, host: Host, step: Step, token: str) -> None:
        """Start it; a pool's folder is made where it is missing.

        Nothing else is built: for other pools that would be a file system or a volume group.
        """
        with host.changing(f"start {self.kind} {NAME}") as connection:
            thing = self.find(connection)
            if self.kind == "pool" and etree.fromstring(thing.XMLDesc()).get("type") == "dir":
                thing.build(0)
            thing.create()

    def unmake(self, host: Host, step: Step) -> None:
        """Stop it, unless a running VM is in the network."""
        with host.changing(f"stop {self.kind} {NAME}") as connection:
            thing = self.find(connection)
            if thing is None or not thing.isActive():
                return
            users = [d.name() for d in connection.listAllDomains() if d.isActive() and _in_network(d)]
            if users and self.kind == "network":
                told = ", ".join(sorted(users))
                raise Conflict(f"network {NAME} of {host.uri} is in use by {told}; shut them down first")
            thing.destroy()


def _in_network(domain: libvirt.virDomain) -> bool:
    sources = etree.fromstring(domain.XMLDesc()).iterfind("devices/interface/source")
    return any(source.get("network") == NAME for source in sources)


class Autostart(_Thing):
    """``name``: have it start with the host."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        thing = self.look(host)
        return thing is not None and bool(thing.autostart())

    def make(self, host: Host, step: Step, token: str) -> None:
        self._set(host, on=True)

    def unmake(self, host: Host, step: Step) -> None:
        self._set(host, on=False)

    def _set(self, host: Host, *, on: bool) -> None:
        with host.changing(f"set autostart of {self.kind} {NAME}") as connection:
            thing = self.find(connection)
            if thing is not None:
                thing.setAutostart(int(on))


for _kind in XML:
    action(f"{_kind}-define", Define(_kind))
    action(f"{_kind}-start", Start(_kind))
    action(f"{_kind}-autostart", Autostart(_kind))
