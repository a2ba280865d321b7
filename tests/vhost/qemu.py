"""One QEMU that emulates a machine with AMD's SVM, so that KVM works in it on any x86-64 machine."""

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.lab import root
from tests.lab.waiting import wait_until
from tests.vhost import keeper

# One processor: emulated SVM loses, once in a while, the interrupt by which one processor asks another. KVM
# does so when a VM ends (kvm_destroy_vm, on_each_cpu), and then the first waited for ever.
MACHINE = (
    *("-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "3072"),
    *("-nodefaults", "-display", "none", "-device", "virtio-rng-pci"),
)
# When the machine underneath is busy, Linux takes the TSC for broken and turns to the HPET, which QEMU's main
# thread emulates: guests under KVM then come to a standstill. The TSC is as good as QEMU's own clock.
KERNEL_ARGS = "root=/dev/vda rw net.ifnames=0 console=ttyS0 tsc=reliable"
NIC = ("-device", "virtio-net-pci,netdev=user,romfile=")
# 0: the system picks a free port. Without IPv6, which would lead nowhere here.
NETWORK = ("-netdev", "user,id=user,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22")


class QemuError(RuntimeError):
    """QEMU did not start, or refused."""


def program(name: str) -> list[str]:
    """Return the argv that runs a program of the Debian root, with the libraries from there."""
    folder = root.build()
    libraries = f"{folder}/usr/lib/x86_64-linux-gnu"
    loader = [f"{folder}/lib64/ld-linux-x86-64.so.2", "--library-path", libraries]
    return ["env", f"QEMU_MODULE_DIR={libraries}/qemu", *loader, f"{folder}/usr/bin/{name}"]


def firmware() -> list[str]:
    """Say where QEMU finds its firmware in the Debian root."""
    return [word for name in ("qemu", "seabios") for word in ("-L", f"{root.build()}/usr/share/{name}")]


class Qemu:
    """A running QEMU; it lives as long as this process at most.

    Parameters
    ----------
    image
        Folder with the kernel and the initrd.
    disk, disk_format
        The disk that it writes to.
    memory
        A machine's saved state to go on from; None: it is switched on.
    console
        File for what it prints on its serial console.
    enter, network, more
        The argv that QEMU is started by, what its NIC leads to, and more options; of two the last counts.
    """

    def __init__(
        self,
        image: Path,
        disk: Path,
        disk_format: str,
        memory: Path | None,
        console: Path,
        *,
        enter: Sequence[str] = (),
        network: Sequence[str] = NETWORK,
        more: Sequence[str] = (),
    ) -> None:
        self._console = console
        argv = [
            *(*enter, *program("qemu-system-x86_64"), *firmware(), *MACHINE, *network, *NIC),
            *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.img")),
            *("-append", KERNEL_ARGS, "-serial", f"file:{console}"),
            *("-drive", f"if=virtio,file={disk},format={disk_format}"),
            *("-chardev", "stdio,id=qmp,signal=off", "-mon", "chardev=qmp,mode=control"),
            *more,
        ]
        if memory:
            argv += ["-incoming", f"exec:cat {shlex.quote(str(memory))}"]
        self._start(argv)
        try:
            self.ask("qmp_capabilities")
            if memory:
                self._go_on()
        except BaseException:
            self.kill()
            raise

    @property
    def ssh_port(self) -> int:
        """The port on 127.0.0.1 that leads to the machine's port 22."""
        told = self.ask("human-monitor-command", **{"command-line": "info usernet"})
        found = re.search(r"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", told)
        if not found:
            raise QemuError(f"QEMU forwards no port: {told}")
        return int(found[1])

    def ask(self, command: str, **arguments: Any) -> Any:
        """Have QEMU do something, in its monitor's protocol (QMP)."""
        try:
            self._qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            self._qmp.flush()
            for line in self._qmp:
                answer = json.loads(line)
                if "error" in answer:
                    raise QemuError(f"{command}: {answer['error']['desc']}")
                if "return" in answer:
                    return answer["return"]
        except OSError as error:
            raise QemuError(f"QEMU does not answer {command}: {error}. {self._said()}") from error
        raise QemuError(f"QEMU ended before it answered {command}. {self._said()}")

    def save(self, memory: Path) -> None:
        """Keep the machine's state; its disk is not written to any more."""
        self.ask("stop")
        self.ask("migrate", uri=f"exec:cat > {shlex.quote(str(memory))}")
        wait_until(
            lambda: self.ask("query-migrate")["status"] in ("completed", "failed"), "the state saved", 300
        )
        if self.ask("query-migrate")["status"] == "failed":
            raise QemuError(f"QEMU cannot save the machine's state. {self._said()}")

    def wait(self) -> None:
        """Wait until it has ended by itself, as it does when the machine is switched off."""
        self._keeper.wait()

    def kill(self) -> None:
        """End it at once, as if the power were cut, and wait until it is gone."""
        self._keeper.terminate()
        self._keeper.wait(30)
        with contextlib.suppress(OSError):  # what was not sent any more
            self._qmp.close()

    def _go_on(self) -> None:
        wait_until(lambda: self.ask("query-status")["status"] != "inmigrate", "the machine's saved state")
        self.ask("cont")

    def _start(self, argv: list[str]) -> None:
        ours, its = socket.socketpair()
        # A pidfd tells of this process's end; the end of a pipe would live on in any forked child.
        owner = os.pidfd_open(os.getpid())
        with self._errors.open("w") as errors:
            # A session of its own: an interrupt from the terminal is for the owner, which then ends QEMU.
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", keeper.__file__, str(owner), *argv],
                stdin=its.fileno(),
                stdout=its.fileno(),
                stderr=errors,
                pass_fds=[owner],
                start_new_session=True,
            )
        os.close(owner)
        its.close()
        ours.settimeout(60)
        self._qmp = ours.makefile("rw")
        ours.close()

    @property
    def _errors(self) -> Path:
        return self._console.with_suffix(".errors")

    def _said(self) -> str:
        console = self._console.read_text(errors="replace") if self._console.exists() else ""
        return f"It said: {self._errors.read_text()}; and its console at last: {console[-2000:]}"
