"""Virtual machines: what there is, making, running, looking at and deleting them."""

from kvmkit.vm import steps, storage  # noqa: F401 - they register the code behind the steps of plans
