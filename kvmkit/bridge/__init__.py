"""A host bridge: VMs on the LAN itself, made without cutting the host off."""
