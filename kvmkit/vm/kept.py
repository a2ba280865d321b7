"""What libvirt keeps of its storage pools in files, for when it waits for one of them and lists none."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from lxml import etree

from kvmkit.framing import framed_script, split_sections
from kvmkit.host import Host
from kvmkit.vm.xml import parse

__all__ = ["KeptPool", "read_kept"]


@dataclass(frozen=True)
class KeptPool:
    """A storage pool as libvirt's files have it."""

    name: str
    active: bool
    type: str
    path: str
    autostart: bool


def read_kept(host: Host) -> list[KeptPool]:
    """Read the files of the system's pools; none where they are hidden, or for a session."""
    if host.practice or host.is_session:
        return []
    printed = host.run(["sh", "-c", framed_script("vm/pools.sh")]).stdout
    return kept_pools(split_sections(printed, where=f"the list of pools on {host.uri}"))


def kept_pools(sections: dict[str, list[str]]) -> list[KeptPool]:
    """Make one pool of what is defined and what is active under a name."""
    found: dict[str, KeptPool] = {}
    for section, lines in sections.items():
        words = section.split()
        with contextlib.suppress(etree.XMLSyntaxError):  # it is written just now
            xml = parse("\n".join(lines))
            pool = xml if xml.tag == "pool" else xml.find("pool")
            if pool is None:
                continue
            name, active = pool.findtext("name", ""), words[0] == "active"
            before = found.get(name)
            found[name] = KeptPool(
                name,
                active,
                pool.get("type", ""),
                pool.findtext("target/path", ""),
                words[-1] == "autostart" or (before is not None and before.autostart),
            )
    return [found[name] for name in sorted(found) if name]
