"""Runs a runbook without a person: `make run-40-create-vm URI=qemu:///system PARAMETERS='vm_name=web2'`."""

import sys

import kvmkit as kk


def main(name: str, uri: str, *pairs: str) -> int:
    """Run it; the exit code is that of a command."""
    if wrong := [pair for pair in pairs if "=" not in pair]:
        print(f"run-{name}: {wrong[0]!r} is not of the form parameter=value", file=sys.stderr)
        return 2
    parameters = dict(pair.split("=", 1) for pair in pairs)
    try:
        print(kk.run_runbook(name, uri, **parameters))
    except kk.KvmkitError as error:
        print(f"run-{name}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
