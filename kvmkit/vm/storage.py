"""The disks of VMs: volumes of a storage pool, made and deleted through libvirt."""

from __future__ import annotations

from typing import Any

import libvirt
from lxml import etree

from kvmkit.actions import action
from kvmkit.errors import Conflict
from kvmkit.host import Host
from kvmkit.plan import Step
from kvmkit.vm.describe import Disk
from kvmkit.vm.steps import Irreversible
from kvmkit.vm.uses import read_uses
from kvmkit.vm.xml import parse

__all__ = ["GIB", "create_volume", "delete_volume", "find_volume"]

GIB = 2**30
UNTOUCHED = 2**20
"""Bytes that a new, never written image takes at most: qcow2's own tables."""


def create_volume(disk: Disk) -> Step:
    """Plan to make a volume."""
    top = f" on top of {disk.backing}" if disk.backing else ""
    size = f"{disk.capacity / GIB:g} GiB, {'raw' if disk.format == 'device' else disk.format}{top}"
    return Step(
        action="volume-create",
        title=f"create volume {disk.name} in pool {disk.pool}: {size}",
        undo="delete it, with what is on it by then",
        args={"pool": disk.pool, "name": disk.name, "path": disk.path, "xml": _volume_xml(disk)},
    )


def delete_volume(pool: str, name: str, path: str) -> Step:
    """Plan to delete a volume."""
    return Step(
        action="volume-delete",
        title=f"delete volume {name} from pool {pool}",
        lost=f"volume {name} and all that is on it",
        args={"pool": pool, "name": name, "path": path},
    )


def _volume_xml(disk: Disk) -> str:
    volume = etree.Element("volume")
    etree.SubElement(volume, "name").text = disk.name
    etree.SubElement(volume, "capacity", unit="bytes").text = str(disk.capacity)
    etree.SubElement(volume, "allocation", unit="bytes").text = "0"
    if disk.format != "device":
        etree.SubElement(etree.SubElement(volume, "target"), "format", type=disk.format)
    if disk.backing:
        backing = etree.SubElement(volume, "backingStore")
        etree.SubElement(backing, "path").text = disk.backing
        etree.SubElement(backing, "format", type=disk.backing_format)
    return etree.tostring(volume, encoding="unicode")


def find_volume(connection: libvirt.virConnect, pool: str, name: str) -> libvirt.virStorageVol | None:
    """Find a volume; None if there is none of that name."""
    volumes = connection.storagePoolLookupByName(pool).listAllVolumes()
    return next((v for v in volumes if v.name() == name), None)


class CreateVolume:
    """``pool``, ``name``, ``path``, ``xml``: make a volume."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether it is there; begun but not recorded, it must be just as we make it, and empty."""
        pool, name = step.args["pool"], step.args["name"]
        with host.reading(f"look for volume {name}") as connection:
            volume = find_volume(connection, pool, name)
            found = None if volume is None else parse(volume.XMLDesc())
        if found is None:
            return False
        wanted = parse(step.args["xml"])
        same = all(found.findtext(tag) == wanted.findtext(tag) for tag in ("capacity", "backingStore/path"))
        untouched = int(found.findtext("allocation") or 0) <= UNTOUCHED
        if same and (state in ("done", "undoing") or (state == "started" and untouched)):
            return True
        if state in ("done", "undoing"):
            raise Conflict(
                f"volume {name} in pool {pool} of {host.uri} has another size, or another image below it, "
                "than this plan gave it: somebody changed it, or made it anew; it is left alone"
            )
        raise Conflict(f"volume {name} is already in pool {pool} of {host.uri} and was not made by this plan")

    def make(self, host: Host, step: Step, token: str) -> None:
        with host.changing(f"create volume {step.args['name']}") as connection:
            connection.storagePoolLookupByName(step.args["pool"]).createXML(step.args["xml"], 0)

    def unmake(self, host: Host, step: Step) -> None:
        """Delete it, unless something has come to use it."""
        _delete(host, step.args)


class DeleteVolume(Irreversible):
    """``pool``, ``name``, ``path``: delete a volume that nothing uses any more."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        with host.reading(f"look for volume {step.args['name']}") as connection:
            return find_volume(connection, step.args["pool"], step.args["name"]) is None

    def make(self, host: Host, step: Step, token: str) -> None:
        _delete(host, step.args)


def _delete(host: Host, volume: dict[str, Any]) -> None:
    """Delete a volume after a last look at who uses it."""
    with host.changing(f"delete volume {volume['name']}") as connection:
        users = read_uses(host, connection, [volume["path"]]).of(volume["path"])
        if users:
            raise Conflict(
                f"volume {volume['name']} is in use by {', '.join(users)} on {host.uri}; it is kept"
            )
        found = find_volume(connection, volume["pool"], volume["name"])
        if found is not None:
            found.delete(0)


action("volume-create", CreateVolume())
action("volume-delete", DeleteVolume())
