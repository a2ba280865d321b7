# What kvmkit offers, and where each name lives: __init__.py reads it, as type checkers and editors do.

from .apply import apply, history, pending, undo
from .bridge.frames import bridges, links
from .bridge.plan import plan_bridge, plan_unbridge
from .bridge.spec import BridgeSpec
from .bridge.topology import topology
from .bridge.watch import Pause, Watch, watch
from .check import check_host
from .drawing import Picture
from .errors import (
    AgentFailed,
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
    Stuck,
    Unsupported,
    WaitTimeout,
    WrongState,
)
from .forms import (
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
from .host import Host, connect
from .install.agent import run_in_guest
from .install.guest import Waited, wait_for
from .install.image import ImageSpec, plan_image
from .install.plan import plan_vm
from .install.source import check_source
from .install.spec import InstallSpec
from .plan import Plan, Step
from .practice import fresh_practice_host
from .prepare.defaults import plan_defaults
from .prepare.fixes import Fix, fixes
from .prepare.group import plan_libvirt_group
from .prepare.packages import plan_packages
from .prepare.qemu_conf import QemuConfSpec, plan_qemu_conf
from .prepare.repository import RepositorySpec, plan_repository
from .prepare.selinux import SELinuxSpec, plan_selinux
from .prepare.service import plan_service
from .report import Check, Report, Status
from .runs.record import Run
from .runs.run import run_runbook
from .timeline import timeline
from .vm.addresses import addresses
from .vm.console import console_log, screenshot, viewer_commands
from .vm.delete import plan_undefine
from .vm.facts import networks, pools, vms, volumes
from .vm.lifecycle import autostart, destroy, reboot, resume, shutdown, start, suspend
from .vm.media import eject_media, insert_media
from .vm.spec import VMSpec

__all__ = [
    "AgentFailed",
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
    "Stuck",
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
