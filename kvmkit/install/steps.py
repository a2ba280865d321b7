"""The code behind the steps of an installation: its files, the installer's run, and what comes after it."""

from __future__ import annotations

import contextlib
import tempfile
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import libvirt
from lxml import etree

from kvmkit.actions import action
from kvmkit.errors import Conflict, InstallFailed, KvmkitError, NotFound, WaitTimeout, WrongState
from kvmkit.host import Host
from kvmkit.install.arguments import URL
from kvmkit.install.deliver import inject, seed_iso
from kvmkit.install.fetch import cached
from kvmkit.install.guest import wait_for
from kvmkit.install.serving import Served, serve_once
from kvmkit.install.tree import BOOT_LIMIT
from kvmkit.install.upload import Upload, UploadVolume, upload_volume
from kvmkit.install.watch import Timeline, Watch, ended_by_itself, read_console, wakened
from kvmkit.plan import Step
from kvmkit.state import state_folder
from kvmkit.vm.console import screenshot
from kvmkit.vm.ownership import definition, mark
from kvmkit.vm.references import disk_files
from kvmkit.vm.steps import Start, own_domain
from kvmkit.vm.storage import CreateVolume, find_volume
from kvmkit.vm.uses import resolver
from kvmkit.vm.xml import parse

__all__: list[str] = []

BEGUN = "urn:kvmkit:install:1"
"""Of the metadata of a VM whose installer was started by kvmkit."""
ELEMENT = libvirt.VIR_DOMAIN_METADATA_ELEMENT
OFF = {
    libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED: "somebody stopped it",
    libvirt.VIR_DOMAIN_SHUTOFF_CRASHED: "it crashed",
    libvirt.VIR_DOMAIN_SHUTOFF_FAILED: "its QEMU failed",
}
"""Why a VM is off whose installer did not come to its end: an end by itself, a restart too, is a SHUTDOWN."""


def _given(step: Step, names: list[str]) -> Mapping[str, str]:
    """Give the answers of a step."""
    if missing := [name for name in names if name not in step.secrets]:
        raise NotFound(
            f"{', '.join(missing)} may hold secrets, so no journal has them: take this plan back "
            "(kk.undo, with its id) and plan again"
        )
    return {name: step.secrets[name].get_secret_value() for name in names}


class InstallerVolume(CreateVolume):
    """``pool``, ``name``, ``path``, ``vm``, ``uuid``: a volume that the installer alone needs.

    Its name is this plan's alone, so that whatever is in it was put there by this plan.
    """

    @abstractmethod
    def content(self, step: Step, into: BinaryIO) -> Path:
        """Give the file of this machine that is sent, or write what is sent into an empty one."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether it is there and whole; once the VM goes without it, it need not be there any more."""
        with host.reading(f"look for volume {step.args['name']}") as connection:
            there = find_volume(connection, step.args["pool"], step.args["name"]) is not None
            domain = own_domain(host, connection, vm_of(step))
            past = domain is not None and step.args["path"] not in definition(domain)
        if there and not state:
            raise Conflict(f"volume {step.args['name']} is already in pool {step.args['pool']} of {host.uri}")
        return state != "started" and (there or (past and state == "done"))

    def make(self, host: Host, step: Step, token: str) -> None:
        """Send it; what a killed process has sent of it is sent again."""
        self.unmake(host, step)
        # Answers may be in it: a file without a name goes with its process, whatever kills that.
        with tempfile.TemporaryFile() as made:
            file = self.content(step, made)
            made.flush()
            where = {key: step.args[key] for key in ("pool", "name", "path")}
            upload = upload_volume(Upload(**where, size=file.stat().st_size, source=str(file)))
            UploadVolume().make(host, upload, token)


def vm_of(step: Step) -> Step:
    """Give a step about the VM that a step's volume is for."""
    return step.model_copy(update={"args": {"name": step.args["vm"], "uuid": step.args["uuid"]}})


class TreeFile(InstallerVolume):
    """And ``url``, ``checksum``, ``answers``: a file of a tree, the answers put into it."""

    def content(self, step: Step, into: BinaryIO) -> Path:
        """Fetch it, and add the answers."""
        answers = _given(step, step.args["answers"])
        file = cached(step.args["url"], step.args["checksum"], BOOT_LIMIT)
        if not answers:
            return file
        inject(file, answers, into)
        return _opened(into)


class AnswersDisk(InstallerVolume):
    """And ``label``, ``answers``: a CD with the answers."""

    def content(self, step: Step, into: BinaryIO) -> Path:
        """Make the image."""
        seed_iso(_given(step, step.args["answers"]), step.args["label"], into)
        return _opened(into)


def _opened(file: BinaryIO) -> Path:
    """Give the path by which this process opens its file once more (proc(5))."""
    return Path(f"/proc/self/fd/{file.fileno()}")


class Install:
    """``name``, ``uuid``, ``log``, ``timeout``, ``serve``, ``answers``, maybe ``attended``: run it."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether it has come to its end, which only the journal knows."""
        with host.reading(f"look for VM {step.args['name']}") as connection:
            return own_domain(host, connection, step) is not None and state in ("done", "undoing")

    def make(self, host: Host, step: Step, token: str) -> None:
        """Start it, unless a killed process has, and wait for its end."""
        name = step.args["name"]
        watch = Watch(host, name, step.args["log"], attended="attended" in step.args)
        try:
            with wakened(host, name) as woken, _served(step) as served:
                left = self._begin(host, step, served)
                watch.timeline.saw("power on")
                watch.fetches = served.fetches if served else ()
                watch.wait(woken, left, float(step.args["timeout"]))
            self._judge(host, step, watch)
        except InstallFailed as error:
            raise InstallFailed(f"{error}{keep_picture(host, name)}") from None

    def unmake(self, host: Host, step: Step) -> None:
        """Stop it at once."""
        Start().unmake(host, step)

    def _begin(self, host: Host, step: Step, served: Served | None) -> float:
        """Have it run, or have ended; the seconds that it has left."""
        name, timeout = step.args["name"], float(step.args["timeout"])
        with host.changing(f"start the installer of VM {name}") as connection:
            domain = connection.lookupByName(name)
            begun = _begun(domain)
            active = bool(domain.isActive())
            if not active and begun and ended_by_itself(read_console(host, step.args["log"])):
                return 0
            if not active:
                if step.args["serve"]:
                    names = list(_given(step, step.args["answers"]))
                    url = served.urls[names[0]] if served else ""
                    domain = connection.defineXML(domain.XMLDesc(0).replace(URL, url))
                domain.create()
            if not (active and begun):
                # After the start: marked before, an earlier VM's log could pass for this one's.
                begun = time.time()
                flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
                domain.setMetadata(ELEMENT, f"<begun>{begun:.0f}</begun>", "install", BEGUN, flags)
        return begun + timeout - time.time()

    def _judge(self, host: Host, step: Step, watch: Watch) -> None:
        """Look how it ended."""
        with host.reading(f"look for VM {step.args['name']}") as connection:
            domain = own_domain(host, connection, step)
            if domain is None:
                raise InstallFailed(f"VM {step.args['name']} was undefined while its installer ran")
            _state, reason = domain.state()
        # A libvirtd that was restarted since does not know why.
        if reason != libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN and not ended_by_itself(watch.text):
            why = OFF.get(reason, "the host may have restarted")
            raise InstallFailed(f"the VM is off, and its installer had not ended: {why}. {watch.said()}")
        watch.timeline.saw("the installer has ended")


def _begun(domain: libvirt.virDomain) -> float:
    """When kvmkit started a VM's installer, in seconds since 1970; 0: not yet."""
    with contextlib.suppress(libvirt.libvirtError):  # there is none
        return float(parse(domain.metadata(ELEMENT, BEGUN, libvirt.VIR_DOMAIN_AFFECT_CONFIG)).text)
    return 0


@contextlib.contextmanager
def _served(step: Step) -> Iterator[Served | None]:
    """Serve answers that are asked for over HTTP; an installer that goes on may not need them any more."""
    names = step.args["answers"] if step.args["serve"] else []
    if not names or any(name not in step.secrets for name in names):
        yield None
        return
    with serve_once(step.args["serve"], _given(step, names), step.args["timeout"]) as served:
        yield served


def keep_picture(host: Host, name: str) -> str:
    """Keep a picture of a VM's screen, and say where; empty if it has none."""
    with contextlib.suppress(KvmkitError):
        folder = state_folder() / "screens"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{name}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.png"
        screenshot(host, name).save(path)
        return f"A picture of its screen: {path}. "
    return ""


class BootDisk:
    """``name``, ``uuid``, ``xml``, ``disks``: have a VM boot what was installed."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether it boots its disk."""
        with host.reading(f"look for VM {step.args['name']}") as connection:
            domain = own_domain(host, connection, step)
            if domain is None:
                return False
            texts_of = (definition(domain), step.args["xml"])
            disks = [sorted(disk_files(text, resolver(connection))) for text in texts_of]
        found, wanted = map(parse, texts_of)
        alike = ("os/kernel", "os/initrd", "os/cmdline", "on_reboot")
        texts = [[xml.findtext(path, "restart") for path in alike] for xml in (found, wanted)]
        return texts[0] == texts[1] and disks[0] == disks[1]

    def make(self, host: Host, step: Step, token: str) -> None:
        """Define it anew."""
        with host.changing(f"define VM {step.args['name']}") as connection:
            connection.defineXML(mark(step.args["xml"], token, step.args["disks"]))

    def unmake(self, host: Host, step: Step) -> None:
        """Nothing: what was installed is of no use without its disk, which goes next."""


class RemoveVolumes:
    """``name``, ``uuid``, ``volumes``: delete what the installer alone needed, out of a drive if need be."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether they are gone."""
        with host.reading("look for volumes") as connection:
            return not any(find_volume(connection, v["pool"], v["name"]) for v in step.args["volumes"])

    def make(self, host: Host, step: Step, token: str) -> None:
        """Delete them."""
        for volume in step.args["volumes"]:
            _eject(host, step, volume["path"])
            CreateVolume().unmake(host, step.model_copy(update={"args": volume}))

    def unmake(self, host: Host, step: Step) -> None:
        """Nothing: the steps before it are taken back, too, and need none of it."""


def _eject(host: Host, step: Step, path: str) -> None:
    with host.changing(f"take the answers out of VM {step.args['name']}") as connection:
        domain = own_domain(host, connection, step)
        if domain is None:
            return
        flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
        if domain.isActive():
            flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
        for drive in parse(definition(domain)).xpath("devices/disk[source/@file=$path]", path=path):
            drive.remove(drive.find("source"))
            domain.updateDeviceFlags(etree.tostring(drive, encoding="unicode"), flags)


class FirstBoot:
    """``name``, ``uuid``, ``what``, ``timeout``: wait until an installed system answers."""

    def made(self, host: Host, step: Step, state: str, token: str) -> bool:
        """Whether it has answered; that it does so for ever is nobody's promise."""
        return state in ("done", "undoing")

    def make(self, host: Host, step: Step, token: str) -> None:
        """Wait."""
        name, what, timeline = step.args["name"], step.args["what"], Timeline()
        try:
            found = wait_for(host, name, what, step.args["timeout"])
        except (WaitTimeout, WrongState) as error:
            raise InstallFailed(f"{error} {keep_picture(host, name)}") from error
        timeline.saw(" ".join(filter(None, (what, found.address, found.said))))

    def unmake(self, host: Host, step: Step) -> None:
        """Nothing: it has changed nothing."""


action("installer-upload", TreeFile(), gradual=True, boots=True)
action("answers-upload", AnswersDisk(), gradual=True, boots=True)
action("vm-install", Install(), gradual=True, boots=True)
action("vm-boot-disk", BootDisk(), boots=True)
action("vm-first-boot", FirstBoot(), boots=True)
action("installer-remove", RemoveVolumes(), boots=True)
