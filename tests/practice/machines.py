"""VMs and volumes as somebody else would make them: through libvirt, without kvmkit."""

from collections.abc import Iterable
from xml.sax.saxutils import escape

import libvirt

import kvmkit as kk
from kvmkit.vm.ownership import mark

IMAGES = "/var/lib/libvirt/images"


def disk(source: str, *more: str, device: str = "disk", target: str = "vda") -> str:
    """Describe a disk of a VM; `source`: a volume's name, or a path."""
    path = source if source.startswith("/") else f"{IMAGES}/{source}"
    inner = f"<source file='{path}'/><target dev='{target}'/>{''.join(more)}"
    return f"<disk type='file' device='{device}'>{inner}</disk>"


def define(
    host: kk.Host,
    name: str,
    *devices: str,
    boot: str = "<os><type>hvm</type></os>",
    owned: Iterable[str] = (),
) -> None:
    """Define a VM; `owned`: the volumes that its metadata says were made with it."""
    xml = (
        f"<domain type='kvm'><name>{name}</name><memory>65536</memory>{boot}"
        f"<devices>{''.join(devices)}</devices></domain>"
    )
    with host.changing(f"define {name}") as connection:
        connection.defineXML(mark(xml, "token", [f"{IMAGES}/{volume}" for volume in owned]) if owned else xml)


def make_volume(host: kk.Host, name: str, backing: str = "") -> None:
    """Make a volume of 1 GiB in the default pool, on top of another one if wanted."""
    below = f"<backingStore><path>{IMAGES}/{backing}</path></backingStore>" if backing else ""
    size = "<capacity unit='GiB'>1</capacity><allocation>0</allocation>"
    with host.changing(f"make {name}") as connection:
        pool = connection.storagePoolLookupByName("default")
        pool.createXML(f"<volume><name>{escape(name)}</name>{size}{below}</volume>")


def definition(host: kk.Host, name: str) -> str:
    """Read a VM's definition."""
    with host.reading(f"read {name}") as connection:
        return str(connection.lookupByName(name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))


def state(host: kk.Host) -> bytes:
    """Read all of the practice host: what it is compared by."""
    assert host.practice
    return host.practice.file.read_bytes()
