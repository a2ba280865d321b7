"""What is measured on the lab itself, through libvirtd's local socket; prints its rows as JSON.

Run by `Lab.local`; the arguments are the argv that runs virsh there.
"""

import json
import sys
from dataclasses import asdict

from tests.bench import create, vms

if __name__ == "__main__":
    # VMs are made while the host is still empty.
    measured = [*create.rows(), *vms.rows(sys.argv[1:])]
    print(json.dumps([asdict(row) for row in measured]))  # noqa: T201 (the parent reads it)
