"""Installing an operating system: from a tree, an ISO or a cloud image, by hand or unattended."""

from kvmkit.install import steps  # noqa: F401 - it registers the code behind the steps of plans
