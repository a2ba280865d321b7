"""Asks an IPv4 address for echoes at a fixed pace, until SIGINT: `python peer.py ADDRESS SECONDS`, as root.

Not ping: while an answer is due it sleeps for 10 ms whatever its interval, and else spins on a processor
that the host needs. Prints for every answer its number, when it came, and the seconds it took.
"""

import contextlib
import itertools
import select
import signal
import socket
import struct
import sys
import threading
import time

ECHO, REPLY = 8, 0
"""Types of ICMP messages."""
FORMAT = struct.Struct("!BBHHHI")
"""Type, code, checksum, whose, the protocol's own number, and ours, which does not end at 65535."""
WHOSE = 0x6B76
IP_HEADER = 20
SO_TIMESTAMP = 29
"""Of Linux's asm-generic/socket.h: tells when a packet came, however late this process has its turn."""


def watch(wire: socket.socket, address: str, interval: float) -> None:
    """Ask and listen by turns."""
    ended = threading.Event()
    # An exception would cut off a line that is being printed.
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    asked: dict[int, float] = {}
    start = time.monotonic()
    for number in itertools.count(1):
        if ended.is_set():
            break
        asked[number] = time.time()
        # A host without a way says so at once.
        with contextlib.suppress(OSError):
            wire.sendto(_echo(number), (address, 0))
        while True:
            left = start + number * interval - time.monotonic()
            if not select.select([wire], [], [], max(left, 0))[0]:
                break
            _note(wire, asked)


def _echo(number: int) -> bytes:
    words = struct.unpack("!6H", FORMAT.pack(ECHO, 0, 0, WHOSE, number & 0xFFFF, number))
    checksum = ~(sum(words) % 0xFFFF) & 0xFFFF
    return FORMAT.pack(ECHO, 0, checksum, WHOSE, number & 0xFFFF, number)


def _note(wire: socket.socket, asked: dict[int, float]) -> None:
    packet, [(_, _, stamp)], _, _ = wire.recvmsg(256, 64)
    kind, _, _, whose, _, number = FORMAT.unpack_from(packet.ljust(IP_HEADER + FORMAT.size), IP_HEADER)
    if (kind, whose) == (REPLY, WHOSE):
        seconds, microseconds = struct.unpack("ll", stamp)
        came = seconds + microseconds / 1e6
        sys.stdout.write(f"{number} {came:.6f} {came - asked[number]:.6f}\n")


if __name__ == "__main__":
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, 1)
        watch(raw, sys.argv[1], float(sys.argv[2]))
