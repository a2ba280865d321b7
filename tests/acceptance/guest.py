"""The VM that these tests run on the virtual host."""

import kvmkit as kk
from kvmkit.vm.describe import LOGS
from tests.vhost.host import VirtualHost

READY = "kvmkit guest ready"
BOOT_SECONDS = 600
"""A bound; a guest of an emulated host boots within a minute if the processors have nothing else to do."""

_UNTIL = 'until grep -q "$1" "$2"; do sleep 1; done'


def spec(vhost: VirtualHost, name: str = "web1") -> kk.VMSpec:
    return kk.VMSpec(
        name=name,
        memory_mib=256,
        disk_gib=1,
        kernel=vhost.kernel,
        initrd=vhost.initrd,
        # Each character on the console costs the emulated host a lot.
        kernel_args="console=ttyS0 quiet",
    )


def wait_for_guest(host: kk.Host, name: str = "web1") -> None:
    """Wait for its line on the console; on the host, as asking from here again and again slows it down."""
    host.run(["sh", "-c", _UNTIL, "sh", READY, f"{LOGS}/{name}-console.log"], timeout=BOOT_SECONDS)
    assert READY in kk.console_log(host, name)
