"""libvirt's event loop: one thread of this process calls back when a host has something to tell."""

from __future__ import annotations

import threading

import libvirt

__all__ = ["run_event_loop"]

_lock = threading.Lock()
_threads: list[threading.Thread] = []


def run_event_loop() -> None:
    """Have libvirt's event loop run from now on; connections opened before stay without events.

    libvirt has one loop per process, which can be neither replaced nor taken away again
    (https://libvirt.org/html/libvirt-libvirt-event.html, virEventRegisterImpl).  What it calls back must
    not block: every other console and event would wait for it.
    """
    with _lock:
        if not _threads:
            libvirt.virEventRegisterDefaultImpl()
            # A daemon: it sleeps in libvirt, and so could not be asked to end with the process.
            _threads.append(threading.Thread(target=_run, name="libvirt events", daemon=True))
            _threads[0].start()


def _run() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
