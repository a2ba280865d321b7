"""Being in the network of another machine of the tests, to serve its guests and to reach them."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

NEW_NETWORK = 0x40000000
"""CLONE_NEWNET (namespaces(7)); Python has os.setns from 3.12 on."""


@contextlib.contextmanager
def in_network_of(number: int) -> Iterator[None]:
    """Have this thread, and what it starts, in the network of a process, as a client on that machine is."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    other = os.open(Path(f"/proc/{number}/ns/net"), os.O_RDONLY)
    try:
        _enter(other)
        yield
    finally:
        _enter(own)
        os.close(own)
        os.close(other)


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "setns")
