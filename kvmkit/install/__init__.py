"""Installing an operating system: from a tree, an ISO or a cloud image, by hand or unattended."""
