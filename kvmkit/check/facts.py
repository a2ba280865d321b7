"""What check_host judges: read from a host in one round trip, or parsed from a capture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from lxml import etree

from kvmkit.errors import KvmkitError
from kvmkit.framing import framed_script, split_sections, understood, with_text
from kvmkit.practice import recorded

if TYPE_CHECKING:
    from kvmkit.host import Host

__all__ = [
    "DAEMONS",
    "Device",
    "Facts",
    "OperatingSystem",
    "Pool",
    "Unit",
    "parse",
    "parse_units",
    "read_defaults",
    "read_facts",
]

PROBE_SECONDS = 60
FOLDER = "/var/lib/libvirt/images"
"""Of the default pool."""
TAKEN = "taken"
"""What is said of the default pool if one of another name has its folder."""
UNREADABLE = "unreadable"
DAEMONS = ("libvirtd", "virtqemud")
"""libvirt's for QEMU: the one for everything, or that of the modular ones."""

T = TypeVar("T")


@dataclass(frozen=True)
class OperatingSystem:
    """Who made it, as os-release(5) says; before that file existed, `id` is empty."""

    id: str = ""
    like: tuple[str, ...] = ()
    version: str = ""
    name: str = ""
    kernel: str = ""


@dataclass(frozen=True)
class Device:
    """``/dev/kvm``: its mode and access control list, and what opening it read-write as the prober said."""

    mode: int
    owner: str
    group: str
    opens: str
    acl: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unit:
    """One systemd unit, in systemd's words."""

    active: str
    enabled: str

    @property
    def starts_at_boot(self) -> bool:
        """Whether systemd starts it, or listens for it, at boot."""
        return self.enabled in ("enabled", "static", "alias")


@dataclass(frozen=True)
class Pool:
    """A folder that a storage pool keeps its volumes in; sizes of its file system in KiB."""

    folder: PurePosixPath
    size_kib: int
    free_kib: int


@dataclass(frozen=True)
class Facts:
    """A host as the probe saw it.

    None means that it could not be read: the probe ran as a user who may not,
    or there is nothing to read it with.
    """

    session: bool = False
    practice: bool = False
    user: str = ""
    user_groups: frozenset[str] = frozenset()
    machine: str = ""
    processors: int = 0
    cpu_flags: frozenset[str] = frozenset()
    modules: tuple[str, ...] = ()
    device: Device | None = None
    qemu_conf: Mapping[str, str] | None = field(default_factory=dict)
    accounts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    os: OperatingSystem = field(default_factory=OperatingSystem)
    kernel_log: tuple[str, ...] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    memory_kib: Mapping[str, int] = field(default_factory=dict)
    selinux_config: str = ""
    apparmor_profiles: tuple[str, ...] | None = ()
    commands: frozenset[str] = frozenset()
    units: Mapping[str, Unit] | None = None
    clock_synchronised: bool | None = None
    bridges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ufw: bool = False
    forward_policies: tuple[str, ...] | None = None
    pools: tuple[Pool, ...] = ()
    pools_hidden: bool = False
    defaults: Mapping[str, frozenset[str]] | None = None
    """The pool and the network named ``default``: each defined, active, autostart, or nothing of it."""

    @property
    def x86(self) -> bool:
        """Whether the processor is one that says ``vmx`` or ``svm``."""
        return self.machine in ("x86_64", "i686", "i586", "i386")

    @property
    def libvirt(self) -> bool:
        """Whether a daemon of libvirt's for QEMU is installed."""
        return bool(self.commands.intersection(DAEMONS))

    def runs(self, name: str) -> bool:
        """Whether a unit of systemd's runs."""
        unit = (self.units or {}).get(name)
        return unit is not None and unit.active == "active"


def read_facts(host: Host, *, only_kvm: bool = False) -> Facts:
    """Read a host's facts, in one round trip; `only_kvm`: those that decide whether KVM can be used.

    Raises
    ------
    HostUnavailable, CommandFailed, CommandTimeout
        If the host cannot be asked.
    """
    if host.practice:
        facts = parse(recorded("practice-facts.txt"))
        return dataclasses.replace(facts, practice=True, defaults=read_defaults(host))
    argv = ["sh", "-s", *(["kvm"] if only_kvm else [])]
    result = host.run(argv, stdin=framed_script("check/probe.sh"), timeout=PROBE_SECONDS)
    return parse(result.stdout, where=host.uri, session=host.is_session)


def parse(text: str, *, where: str = "a capture", session: bool = False) -> Facts:
    """Make facts of what ``probe.sh`` printed.

    Raises
    ------
    KvmkitError
        If the end is missing, or it is not what the script prints.
    """
    sections = with_text(split_sections(text, where=where))
    if "end" not in sections:
        raise KvmkitError(f"the facts of {where} end early, after {text[-80:]!r}; is its shell a POSIX one?")
    return understood(where)(_facts)(sections, session=session)


def _facts(sections: Mapping[str, list[str]], *, session: bool) -> Facts:
    user, *groups = sections["user"][0].split()
    cpu = _pairs(sections["cpu"])
    pools = sections["pools session" if session else "pools system"]
    return Facts(
        session=session,
        user=user,
        user_groups=frozenset(groups),
        machine=cpu.get("machine", ""),
        processors=int(cpu.get("processors") or 0),
        cpu_flags=frozenset(cpu.get("flags", "").split()),
        modules=tuple(sections["modules"]),
        device=_device(sections["kvm device"]),
        qemu_conf=_readable(sections["qemu.conf"], _qemu_conf),
        accounts={name: frozenset(rest) for name, *rest in map(str.split, sections["accounts"])},
        os=_os(_pairs(sections["os"])),
        kernel_log=_readable(sections["kernel log"], tuple),
        values=_pairs(sections["kernel values"]),
        memory_kib={name: int(said.split()[0]) for name, said in _pairs(sections["memory"], ":").items()},
        selinux_config=_pairs(sections["selinux config"]).get("SELINUX", ""),
        apparmor_profiles=_readable(sections["apparmor profiles"], tuple),
        commands=frozenset(sections["commands"]),
        units=parse_units(sections["units"]),
        # NTPSynchronized=yes, or on RHEL 7 "NTP synchronized: yes".
        clock_synchronised=sections["clock"][0].endswith("yes") if sections["clock"] else None,
        bridges={name: tuple(ports) for name, *ports in map(str.split, sections["bridges"])},
        ufw="ENABLED=yes" in sections["ufw"],
        forward_policies=_readable(sections["forward"], _forward_policies),
        pools=tuple(_pool(line) for line in pools if line != UNREADABLE),
        pools_hidden=UNREADABLE in pools,
        # A capture from before this was looked for does not tell.
        defaults=_readable(sections.get("defaults", [UNREADABLE]), _defaults),
    )


def _readable(lines: list[str], make: Callable[[list[str]], T]) -> T | None:
    return None if UNREADABLE in lines else make(lines)


def _pairs(lines: Iterable[str], sign: str = "=") -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(sign) for line in lines)}


def _device(lines: list[str]) -> Device | None:
    if not lines:
        return None
    first = dict(word.split("=", 1) for word in lines[0].split())
    opens = _pairs(lines[1:2]).get("opens", "")
    return Device(int(first["mode"], 8), first["owner"], first["group"], opens, tuple(lines[2:]))


def _qemu_conf(lines: list[str]) -> dict[str, str]:
    """Take off quotes and comments; of a name set twice libvirt uses the first (virconf.c)."""
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition("=")
        value = value.strip()
        if value[:1] in ('"', "'"):
            value = value[1:].partition(value[0])[0]
        else:
            value = value.partition("#")[0].strip()
        found.setdefault(name.strip(), value)
    return found


def _os(pairs: dict[str, str]) -> OperatingSystem:
    # A release file from before os-release has no quotes, and may have an apostrophe.
    said = {name: value.strip("\"'") for name, value in pairs.items()}
    return OperatingSystem(
        id=said.get("ID", ""),
        like=tuple(said.get("ID_LIKE", "").split()),
        version=said.get("VERSION_ID", ""),
        name=said.get("PRETTY_NAME", ""),
        kernel=said.get("kernel", ""),
    )


def parse_units(lines: list[str]) -> dict[str, Unit] | None:
    """Read ``systemctl show``; units that are not there are left out."""
    if not lines or lines == ["no-systemd"]:
        return None
    said: list[dict[str, str]] = []
    for name, _, value in (line.partition("=") for line in lines):
        if name == "Id":
            said.append({})
        said[-1][name] = value
    there = (unit for unit in said if unit.get("LoadState") != "not-found")
    return {unit["Id"]: Unit(unit.get("ActiveState", ""), unit.get("UnitFileState", "")) for unit in there}


def _forward_policies(lines: list[str]) -> tuple[str, ...]:
    """``ip filter: drop`` for each chain that forwarded packets pass."""
    policies = []
    table = "iptables"
    for line in lines:
        words = line.replace(";", " ").split()
        if words[0] == "table":
            table = " ".join(words[1:3])
        elif words[0] == "-P":
            policies.append(f"iptables: {words[2].lower()}")
        elif "policy" in words:
            policies.append(f"{table}: {words[words.index('policy') + 1]}")
    return tuple(policies)


def _pool(line: str) -> Pool:
    size, free, folder = line.split(" ", 2)
    return Pool(PurePosixPath(folder), int(size), int(free))


def _defaults(lines: list[str]) -> dict[str, frozenset[str]]:
    return {kind: frozenset(words) for kind, *words in map(str.split, lines)}


def read_defaults(host: Host) -> dict[str, frozenset[str]]:
    """Ask libvirt for `Facts.defaults`: for plans, and on the practice host, where they are not recorded."""
    with host.reading("look for the default pool and network") as connection:
        pools = connection.listAllStoragePools()
        things = {"pool": pools, "network": connection.listAllNetworks()}
        lines = [
            f"{kind} defined {'active' * thing.isActive()} {'autostart' * thing.autostart()}"
            for kind, found in things.items()
            for thing in found
            if thing.name() == "default"
        ]
        folders = {etree.fromstring(pool.XMLDesc()).findtext("target/path") for pool in pools}
    nothing = frozenset({TAKEN} if FOLDER in folders else ())
    return {"pool": nothing, "network": frozenset()} | _defaults(lines)
