"""kvmkit: KVM hosts and virtual machines from a notebook, checked, previewed and with a way back.

>>> import kvmkit as kk
>>> host = kk.connect("test:///default")
>>> plan = kk.plan_vm(host, kk.VMSpec(name="web1", memory_mib=1024, vcpus=1, disk_gib=10))
>>> report = kk.apply(plan)
>>> kk.vms(host).loc["web1", "state"]
'running'
>>> kk.undo(report).ok
True
"""

from kvmkit.apply import apply, history, pending, undo
from kvmkit.bridge.frames import bridges, links
from kvmkit.bridge.plan import plan_bridge, plan_unbridge
from kvmkit.bridge.spec import BridgeSpec
from kvmkit.bridge.topology import topology
from kvmkit.bridge.watch import Pause, Watch, watch
from kvmkit.check import check_host
from kvmkit.drawing import Picture
from kvmkit.errors import (
    ApplyFailed,
    BadSource,
    Busy,
    Cancelled,
    CommandFailed,
    CommandTimeout,
    Conflict,
    HostUnavailable,
    InstallFailed,
    InvalidSpec,
    InvalidURI,
    KvmkitError,
    LibvirtFailed,
    NotApplied,
    NotFound,
    RolledBack,
    RunFailed,
    ShutdownTimeout,
    Unsupported,
    WaitTimeout,
    WrongState,
)
from kvmkit.forms import (
    ApplyForm,
    Console,
    Menu,
    Screen,
    SpecForm,
    VMForm,
    apply_form,
    console,
    form,
    menu,
    screen,
    vm_form,
)
from kvmkit.host import Host, connect
from kvmkit.install.agent import run_in_guest
from kvmkit.install.guest import Waited, wait_for
from kvmkit.install.image import ImageSpec, plan_image
from kvmkit.install.plan import plan_vm
from kvmkit.install.source import check_source
from kvmkit.install.spec import InstallSpec
from kvmkit.plan import Plan, Step
from kvmkit.practice import fresh_practice_host
from kvmkit.prepare.defaults import plan_defaults
from kvmkit.prepare.fixes import Fix, fixes
from kvmkit.prepare.group import plan_libvirt_group
from kvmkit.prepare.packages import plan_packages
from kvmkit.prepare.qemu_conf import QemuConfSpec, plan_qemu_conf
from kvmkit.prepare.repository import RepositorySpec, plan_repository
from kvmkit.prepare.selinux import SELinuxSpec, plan_selinux
from kvmkit.prepare.service import plan_service
from kvmkit.report import Check, Report, Status
from kvmkit.runs.record import Run
from kvmkit.runs.run import run_runbook
from kvmkit.timeline import timeline
from kvmkit.vm.addresses import addresses
from kvmkit.vm.console import console_log, screenshot, viewer_commands
from kvmkit.vm.delete import plan_undefine
from kvmkit.vm.facts import networks, pools, vms, volumes
from kvmkit.vm.lifecycle import autostart, destroy, reboot, resume, shutdown, start, suspend
from kvmkit.vm.media import eject_media, insert_media
from kvmkit.vm.spec import VMSpec

__all__ = [
    "ApplyFailed",
    "ApplyForm",
    "BadSource",
    "BridgeSpec",
    "Busy",
    "Cancelled",
    "Check",
    "CommandFailed",
    "CommandTimeout",
    "Conflict",
    "Console",
    "Fix",
    "Host",
    "HostUnavailable",
    "ImageSpec",
    "InstallFailed",
    "InstallSpec",
    "InvalidSpec",
    "InvalidURI",
    "KvmkitError",
    "LibvirtFailed",
    "Menu",
    "NotApplied",
    "NotFound",
    "Pause",
    "Picture",
    "Plan",
    "QemuConfSpec",
    "Report",
    "RepositorySpec",
    "RolledBack",
    "Run",
    "RunFailed",
    "SELinuxSpec",
    "Screen",
    "ShutdownTimeout",
    "SpecForm",
    "Status",
    "Step",
    "Unsupported",
    "VMForm",
    "VMSpec",
    "WaitTimeout",
    "Waited",
    "Watch",
    "WrongState",
    "addresses",
    "apply",
    "apply_form",
    "autostart",
    "bridges",
    "check_host",
    "check_source",
    "connect",
    "console",
    "console_log",
    "destroy",
    "eject_media",
    "fixes",
    "form",
    "fresh_practice_host",
    "history",
    "insert_media",
    "links",
    "menu",
    "networks",
    "pending",
    "plan_bridge",
    "plan_defaults",
    "plan_image",
    "plan_libvirt_group",
    "plan_packages",
    "plan_qemu_conf",
    "plan_repository",
    "plan_selinux",
    "plan_service",
    "plan_unbridge",
    "plan_undefine",
    "plan_vm",
    "pools",
    "reboot",
    "resume",
    "run_in_guest",
    "run_runbook",
    "screen",
    "screenshot",
    "shutdown",
    "start",
    "suspend",
    "timeline",
    "topology",
    "undo",
    "viewer_commands",
    "vm_form",
    "vms",
    "volumes",
    "wait_for",
    "watch",
]
