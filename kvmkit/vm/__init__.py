"""Virtual machines: what there is, making, running, looking at and deleting them."""
