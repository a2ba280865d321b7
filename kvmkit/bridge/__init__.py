"""A host bridge: VMs on the LAN itself, made without cutting the host off."""

from kvmkit.bridge import steps  # noqa: F401 - it registers the code behind the steps of plans
