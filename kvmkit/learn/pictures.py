"""The tutorial's pictures, in place of the article's lost ones."""

from __future__ import annotations

from kvmkit.drawing import BLUE, GREEN, ORANGE, PLAIN, Picture, Shapes, arrow, box, drawn, line, text

__all__ = ["picture_of_modes", "picture_of_the_loop"]

GUEST, KERNEL, USER = GREEN, ORANGE, BLUE

MODES = """\
The processor's modes, and who is in them:
  guest mode, rings 3 and 0: the guest's programs, and below them the guest's kernel, both unchanged
  user mode of the host:     QEMU, one process for a VM: a thread for each virtual processor, and the devices;
                             beside it other programs, and libvirt, which starts QEMU
  kernel mode of the host:   Linux with the module kvm: enters guest mode and is where it comes back to;
                             beside it Linux's own scheduler, memory and drivers
  below all: one processor, with VT-x or AMD-V"""


QEMU = "a thread for each vCPU\n\nthe devices: disk, network\ncard, screen, serial line …"
KVM = """\
enters guest mode, and is where the processor comes back to;
maps the guest's memory; timers and interrupts"""
# Left, top, width and height; whose it is, its name, and what is said of it.
BOXES = (
    ((10, 30, 200, 76), GUEST, "the guest's programs", "ring 3 of guest mode"),
    ((10, 116, 200, 76), GUEST, "the guest's kernel", "ring 0 of guest mode,\nthinks it owns the machine"),
    ((250, 30, 220, 162), USER, "QEMU, a process", QEMU),
    ((500, 30, 170, 76), USER, "libvirt", "starts QEMU,\nkeeps descriptions"),
    ((500, 116, 170, 76), USER, "other programs", "virsh, a browser, …"),
    ((10, 250, 460, 76), KERNEL, "module kvm", KVM),
    ((500, 250, 170, 76), KERNEL, "the rest of Linux", "scheduler, memory,\ndrivers"),
    ((10, 356, 660, 44), PLAIN, "processor with VT-x or AMD-V, memory, disks, network cards", ""),
)


def picture_of_modes() -> Picture:
    """Draw what runs where: guest mode, the host's user mode and its kernel.

    Returns
    -------
    Picture
        In place of the article's picture of KVM's architecture.
    """
    parts: Shapes = []
    for place, colour, name, said in BOXES:
        parts += box(*place, colour, name, said.splitlines())
    parts += [
        text(10, 20, "guest mode", bold=True),
        text(250, 20, "host's user mode", bold=True),
        text(10, 240, "host's kernel mode", bold=True),
        *arrow(176, 248, 176, 194, GUEST),
        *arrow(198, 194, 198, 248, GUEST),
        text(206, 222, "enter, exit"),
        *arrow(330, 194, 330, 248, USER),
        *arrow(360, 248, 360, 194, USER),
        text(370, 222, "ioctl, return"),
        *arrow(498, 60, 472, 60, USER),
    ]
    return Picture(drawn(680, 410, parts), MODES)


LOOP = """\
One virtual processor's life, from top to bottom:
  QEMU's thread    calls ioctl(KVM_RUN)
  KVM              loads the guest's registers and enters guest mode (VMLAUNCH, VMRUN)
  guest            runs its own code at full speed, until ...
  ... an interrupt of the host, or a page of memory that is missing:
  KVM              settles it and enters guest mode again; QEMU never hears of it
  guest            runs on, until ...
  ... it touches a device:
  KVM              returns from the ioctl: KVM_EXIT_IO
  QEMU's thread    plays the device, and calls ioctl(KVM_RUN) again"""

LANES = {"QEMU's thread": (90, USER), "KVM": (330, KERNEL), "guest mode": (570, GUEST)}
# From lane, to lane, what is said on the way, and what the one who gets it does then.
TURNS = (
    ("QEMU's thread", "KVM", "ioctl(KVM_RUN)", ""),
    ("KVM", "guest mode", "enter", "runs its own code"),
    ("guest mode", "KVM", "exit: interrupt, missing page", "settles it"),
    ("KVM", "guest mode", "enter", "runs on"),
    ("guest mode", "KVM", "exit: output to a port", "not mine"),
    ("KVM", "QEMU's thread", "return: KVM_EXIT_IO", "plays the device"),
    ("QEMU's thread", "KVM", "ioctl(KVM_RUN)", "… and so on"),
)


def picture_of_the_loop() -> Picture:
    """Draw how a virtual processor goes between guest mode, kernel and user space.

    Returns
    -------
    Picture
        In place of the article's picture of how KVM works.
    """
    step, top = 48, 60
    bottom = top + step * len(TURNS)
    parts: Shapes = []
    for name, (x, colour) in LANES.items():
        parts += [
            text(x, 22, name, bold=True, anchor="middle"),
            line(x, 32, x, bottom, colour, dashed=True),
        ]
    for number, (start, end, said, does) in enumerate(TURNS):
        y = top + step * number
        (left, colour), (right, _lane) = LANES[start], LANES[end]
        parts += arrow(left, y, right, y, colour)
        parts.append(text((left + right) // 2, y - 6, said, anchor="middle"))
        if does:
            parts.append(text(right + 8, y + 20, does, bold=True))
    return Picture(drawn(720, bottom + 10, parts), LOOP)
