"""A virtual KVM host for tests: real libvirtd, virtlogd and QEMU in namespaces of their own."""

from collections.abc import Sequence

from tests.lab import guest, init, root
from tests.lab.machine import Machine, unavailable
from tests.lab.ssh import write_script
from tests.lab.waiting import wait_until


class Lab(Machine):
    """A KVM host named `lab` that lives as long as this process at most.

    Attributes
    ----------
    kernel, initrd, iso : str
        Paths, as seen on the lab, of a guest's kernel and initrd and of a CD that boots.
    """

    kernel = str(guest.KERNEL)
    initrd = str(guest.INITRD)
    iso = str(guest.ISO)

    @staticmethod
    def unavailable() -> str:
        """Say why this machine cannot have a lab; empty when it can."""
        return unavailable(root.path())

    def __init__(self) -> None:
        super().__init__("lab", root.build, init.SHARED)

    def start(self) -> None:
        """Bring the host up: about a second, once the Debian root has been built."""
        super().start()
        self._write_local()
        # QEMU in a mount namespace of libvirt's making would need a /dev that libvirt can rebuild.
        with self.path("/etc/libvirt/qemu.conf").open("a") as conf:
            conf.write("\nnamespaces = []\n")
        # /var/lock leads there, and libvirt locks a console there; on a whole system systemd makes it.
        self.path("/run/lock").mkdir()
        self.run(["virtlogd", "--daemon"])
        self.start_libvirtd()
        images = ["--type", "dir", "--target", "/var/lib/libvirt/images"]
        self.run(["virsh", "pool-define-as", "default", *images])
        self.run(["virsh", "pool-autostart", "default"])
        self.run(["virsh", "pool-start", "default"])
        self.run(["virsh", "net-autostart", "default"])
        self.run(["virsh", "net-start", "default"])

    def local(self, argv: Sequence[str]) -> list[str]:
        """Return the argv that runs a command on this machine's own root as if the lab's libvirt were there.

        In the private mount namespace `qemu:///system` is the lab's libvirtd, and the folders in
        `init.SHARED` are the lab's; the network is the lab's, too.
        """
        return [str(self._folder / "local"), *argv]

    def start_libvirtd(self) -> None:
        """Start libvirtd and wait until it answers."""
        self.run(["libvirtd", "--daemon"])
        self.run(["virsh", "uri"])

    def stop_libvirtd(self) -> None:
        """Stop libvirtd as a service manager would, and wait until it is gone; guests run on."""
        number = self.path("/run/libvirtd.pid").read_text().strip()
        self.run(["kill", number])
        running = self.path(f"/proc/{number}")
        wait_until(lambda: not running.exists(), "libvirtd of the lab ended after SIGTERM", 30)

    def restart_libvirtd(self) -> None:
        """Stop and start libvirtd: connections break, guests run on."""
        self.stop_libvirtd()
        self.start_libvirtd()

    def _write_local(self) -> None:
        # nsenter begins in /, hence the way back to where the caller is.
        enter = f"nsenter --target {self._init} --mount --net"
        write_script(self._folder / "local", f'exec {enter} env --chdir="$PWD" -- "$@"')
