"""How KVM works, seen from a notebook: a guest of twelve bytes, a running QEMU, and pictures.

For the tutorial ``01-how-kvm-works``; nothing else needs it.
"""

from kvmkit.learn.guest import GuestRun, code_table, guest_program, run_guest
from kvmkit.learn.pictures import picture_of_modes, picture_of_the_loop
from kvmkit.learn.process import QemuProcess, qemu_process

__all__ = [
    "GuestRun",
    "QemuProcess",
    "code_table",
    "guest_program",
    "picture_of_modes",
    "picture_of_the_loop",
    "qemu_process",
    "run_guest",
]
