"""What is measured on the lab itself, through libvirtd's local socket; prints its rows as JSON.

Run by `Lab.local`. Arguments: "smoke" or "whole", and the argv that runs virsh there.
"""

import json
import sys
from dataclasses import asdict

from tests.bench import create, vms

if __name__ == "__main__":
    # VMs are made while the host is still empty.
    smoke = sys.argv[1] == "smoke"
    measured = [*create.rows(smoke=smoke), *vms.rows(sys.argv[2:], smoke=smoke)]
    print(json.dumps([asdict(row) for row in measured]))  # noqa: T201 (the parent reads it)
