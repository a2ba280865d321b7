"""Installing an operating system: from a tree, an ISO or a cloud image, by hand or unattended."""

from kvmkit.install import steps, upload  # noqa: F401 - they register the code behind the steps of plans
