"""Make a host ready: repository, packages, service, SELinux, qemu.conf, group, default pool and network."""
