"""Make a host ready: repository, packages, service, SELinux, qemu.conf, group, default pool and network."""

from kvmkit.prepare import (  # noqa: F401 - they register the code behind the steps of plans
    defaults,
    files,
    group,
    packages,
    qemu_conf,
    selinux_steps,
    service,
)
