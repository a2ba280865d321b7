"""Run twelve bytes of machine code as a guest of KVM, by system calls alone.

Nothing but the standard library: it is sent to a host's own python3, and runs
there in a process of its own.  The calls are those of the kernel's
documentation, https://docs.kernel.org/virt/kvm/api.html, their numbers those
of linux/kvm.h; the guest is Josh Triplett's, https://lwn.net/Articles/658511/.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
import platform
import struct
import time
from collections.abc import Iterator

CODE = bytes.fromhex("ba f8 03  00 d8  04 30  ee  b0 0a  ee  f4")
ADDRESS = 0x1000
"""Where the guest finds its code: the second page of its memory."""

GET_API_VERSION, CREATE_VM, GET_VCPU_MMAP_SIZE = 0xAE00, 0xAE01, 0xAE04
CREATE_VCPU, SET_USER_MEMORY_REGION, RUN = 0xAE41, 0x4020AE46, 0xAE80
SET_REGS, GET_SREGS, SET_SREGS = 0x4090AE82, 0x8138AE83, 0x4138AE84
EXIT_REASONS = {2: "IO", 5: "HLT", 8: "SHUTDOWN", 9: "FAIL_ENTRY", 17: "INTERNAL_ERROR"}
MOST_EXITS = 10


# ---- the part that the tutorial shows
def run() -> Iterator[dict[str, object]]:
    """Run the guest; tell of each time that it comes back."""
    kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    yield {"version": fcntl.ioctl(kvm, GET_API_VERSION)}

    # A machine: at first it has neither memory nor processors.
    vm = fcntl.ioctl(kvm, CREATE_VM)

    # Its memory is memory of this process: one page of ours, which the guest sees at ADDRESS.
    page = mmap.mmap(-1, 4096)
    page.write(CODE)
    ours = ctypes.addressof(ctypes.c_char.from_buffer(page))
    fcntl.ioctl(vm, SET_USER_MEMORY_REGION, struct.pack("IIQQQ", 0, 0, ADDRESS, 4096, ours))

    # One processor. What it says when it comes back stands in a page that we share with the kernel.
    vcpu = fcntl.ioctl(vm, CREATE_VCPU, 0)
    told = mmap.mmap(vcpu, fcntl.ioctl(kvm, GET_VCPU_MMAP_SIZE))

    # Its registers: code segment at 0; AX = 2, BX = 2, the next instruction at ADDRESS.
    segments = bytearray(312)
    fcntl.ioctl(vcpu, GET_SREGS, segments)
    struct.pack_into("=QIH", segments, 0, 0, 0xFFFF, 0)
    fcntl.ioctl(vcpu, SET_SREGS, segments)
    fcntl.ioctl(vcpu, SET_REGS, struct.pack("18Q", 2, 2, *[0] * 14, ADDRESS, 0b10))

    for _ in range(MOST_EXITS):
        begun = time.perf_counter()
        fcntl.ioctl(vcpu, RUN)  # into guest mode; it returns when the guest needs somebody out here
        microseconds = round((time.perf_counter() - begun) * 1e6, 1)

        number = struct.unpack_from("I", told, 8)[0]
        reason = EXIT_REASONS.get(number, str(number))
        port, data = 0, b""
        if reason == "IO":
            _direction, size, port, count, offset = struct.unpack_from("=BBHIQ", told, 32)
            data = told[offset : offset + size * count]
        yield {"reason": reason, "port": port, "data": data.hex(), "microseconds": microseconds}
        if reason != "IO":
            return


# ---- to here


def main() -> None:
    """Print a line of JSON for whatever happens, at once: the process may be killed at any moment."""
    machine = platform.machine()
    if machine not in ("x86_64", "AMD64"):
        print(json.dumps({"cannot": f"its code is for x86, and this processor is {machine}"}))
        return
    try:
        for event in run():
            print(json.dumps(event), flush=True)
    except OSError as error:
        what = f"{error.filename}: " if error.filename else "a call of KVM's failed: "
        print(json.dumps({"cannot": f"{what}{error.strerror}"}))


if __name__ == "__main__":
    main()
