"""What package managers say while they work. apt's lines are recorded, dnf's and zypper's synthetic.

zypper's are those of its source (``progressStart`` in callbacks/rpm.h) and of xmlout.rnc.
"""

import pytest

from kvmkit.prepare.said import doing


@pytest.mark.parametrize(
    ("line", "told"),
    [
        # recorded with apt 2.6.1 on Debian 12, -q and its output in a file
        ("Get:1 copy:/srv/packages ./ kvmkit-base 1.0 [20.7 kB]", "downloading kvmkit-base"),
        ("Unpacking kvmkit-tool (1.0) ...", "unpacking kvmkit-tool"),
        ("Setting up kvmkit-slow (1.0) ...", "setting up kvmkit-slow"),
        ("Removing kvmkit-tool (1.0) ...", "removing kvmkit-tool"),
        ("Get:3 copy:/srv/packages ./ Packages [683 B]", ""),
        ("Selecting previously unselected package kvmkit-base.", ""),
        ("(Reading database ... 20488 files and directories currently installed.)", ""),
        ("After this operation, 0 B of additional disk space will be used.", ""),
        # the same of a repository with components
        (
            "Get:3 http://mirror bookworm/main amd64 libvirt0 amd64 9.0.0-4+deb12u2 [384 kB]",
            "downloading libvirt0",
        ),
        ("Get:2 http://mirror bookworm/main amd64 Packages [8,790 kB]", ""),
        ("Get:1 http://mirror bookworm InRelease [151 kB]", ""),
        ("Unpacking libvirt0:amd64 (9.0.0-4+deb12u2) ...", "unpacking libvirt0:amd64"),
        ("Purging configuration files for libvirt-daemon (9.0.0-4) ...", "removing libvirt-daemon"),
        # synthetic: dnf 4, dnf 5
        ("(2/9): alpha-1.0-1.noarch.rpm      12 kB/s | 6.0 kB     00:00", "downloading alpha-1.0-1.noarch"),
        ("alpha-1.0-1.noarch.rpm             12 kB/s | 6.0 kB     00:00", "downloading alpha-1.0-1.noarch"),
        ("  Installing       : alpha-1.0-1.noarch           1/1 ", "installing alpha-1.0-1.noarch"),
        ("  Erasing          : alpha-1.0-1.noarch           1/1 ", "removing alpha-1.0-1.noarch"),
        ("Installing:", ""),
        ("  Verifying        : alpha-1.0-1.noarch           1/1 ", ""),
        ("[2/3] Installing alpha-0:1.0-1.noarch 100% | 1.0 MiB/s", "installing alpha-0:1.0-1.noarch"),
        # synthetic: zypper, by --xmlout
        ('<download url="http://mirror/alpha-1.0-1.noarch.rpm"/>', "downloading alpha-1.0-1.noarch"),
        ('<progress id="install-resolvable" name="(1/2) Installing: alpha-1"/>', "installing alpha-1"),
        ('<progress id="remove-resolvable" name="Removing alpha-1.0-1"/>', "removing alpha-1.0-1"),
        ('<message type="info">Loading repository data...</message>', ""),
    ],
)  # fmt: skip
def test_what_is_said_of_a_package_is_told_in_one_form(line: str, told: str) -> None:
    assert doing(line) == told
