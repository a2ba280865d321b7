"""Packages: from a flat repository of .debs, unpacked and configured by dpkg in the new system.

As debootstrap does it: what dpkg itself needs is first extracted, then all is installed properly.
"""

import os
import subprocess
from pathlib import Path

from tests.standin.installer.answers import Answers
from tests.standin.installer.say import TARGET, InstallError, inside, run, say

CORE = (Path(__file__).parent / "core").read_text().split()
"""What the group @core is here: a system that boots, with a network and an sshd.

The first says that /usr is merged from the beginning: else usrmerge would come, and all of Perl with it.
The kernel is the smallest that a virtual machine boots by.
"""
GROUPS = {"core", "^minimal-environment", "standard"}
UNPACK = (
    "--force-depends",
    "--force-unsafe-io",
    "--path-exclude=/usr/share/doc/*",
    "--path-exclude=/usr/share/man/*",
    "--path-exclude=/usr/share/locale/*",
    "--path-exclude=/usr/share/info/*",
)
NO_SERVICE = "#!/bin/sh\nexit 101\n"
"""The answer of policy-rc.d to whoever wants to start a service (invoke-rc.d(8))."""
INITRAMFS = 'MICROCODE=no\nAUTO_MODULES=no\nINCLUDE_MODULES="virtio_pci,virtio_blk"\n'
"""What tiny-initramfs is told: the way to the disk; ext4 is in the kernel itself."""
ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "LC_ALL": "C.UTF-8",
    "PATH": os.defpath + ":/usr/sbin:/sbin",
}


def install(wanted: Answers, repository: str) -> None:
    """Install @core and what %packages names."""
    os.environ.update(ENVIRONMENT)
    url = wanted.commands["url"].url if wanted.commands["url"].seen else repository
    if not url:
        raise InstallError("neither url in the kickstart file nor inst.repo says where the packages are")
    lay_out(url)
    say("Downloading package metadata")
    apt("update")
    essential = fetch("?essential", CORE[0])
    say("Starting package installation process")
    archives = fetch("?essential", *CORE, *named(wanted), *needed(wanted))
    say(f"Downloading {len(archives)} packages is done")
    for archive in essential:
        extract(archive)
    say(f"Preparing transaction from installation source: {len(essential)} packages extracted")
    unpack_and_configure(sorted(archives))
    for archive in archives:
        archive.unlink()


def named(wanted: Answers) -> list[str]:
    """Return the packages that %packages names, less those that it excludes."""
    listed = wanted.packages
    if unknown := {group.name for group in listed.groupList} - GROUPS:
        raise InstallError(f"no such group of packages: {', '.join(sorted(unknown))}")
    if excluded := set(listed.excludedList) & set(CORE):
        raise InstallError(f"%packages excludes what @core is made of: {', '.join(sorted(excluded))}")
    return sorted(set(listed.packageList) - set(listed.excludedList))


def needed(wanted: Answers) -> list[str]:
    return ["tzdata"] if wanted.commands["timezone"].seen else []


def lay_out(url: str) -> None:
    """Make what has to be there before the first package: a merged /usr, dpkg's and apt's folders."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (TARGET / "usr" / name).mkdir(parents=True)
        (TARGET / name).symlink_to(f"usr/{name}")
    for name in (
        "var/lib/dpkg/info",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
        "etc/apt/sources.list.d",
        "etc/apt/preferences.d",
        "etc/apt/apt.conf.d",
        "etc/tiny-initramfs",
        "usr/sbin",
    ):
        (TARGET / name).mkdir(parents=True, exist_ok=True)
    for name in ("status", "available"):
        (TARGET / "var/lib/dpkg" / name).touch()
    (TARGET / "etc/apt/sources.list").write_text(f"deb [trusted=yes] {url.rstrip('/')}/ ./\n")
    (TARGET / "etc/tiny-initramfs/tiny-initramfs.conf").write_text(INITRAMFS)
    policy = TARGET / "usr/sbin/policy-rc.d"
    policy.write_text(NO_SERVICE)
    policy.chmod(0o755)


def apt(*argv: str) -> str:
    """Run apt of the installer on the new system's folders."""
    settings = [
        f"Dir={TARGET}",
        f"Dir::State::status={TARGET}/var/lib/dpkg/status",
        "APT::Architecture=amd64",
        "APT::Sandbox::User=root",
        "APT::Install-Recommends=false",
        "Acquire::Languages=none",
        "Acquire::Retries=0",
        "Acquire::http::Timeout=60",
        "Acquire::ftp::Timeout=60",
        "Dir::Bin::Methods::ftp=ftp",  # which apt has, and does not use unless told to
    ]
    return run("apt-get", *(word for setting in settings for word in ("-o", setting)), "--yes", *argv)


def fetch(*names: str) -> list[Path]:
    """Download packages and what they depend on; return all that have been downloaded so far."""
    apt("install", "--download-only", *names)
    return list((TARGET / "var/cache/apt/archives").glob("*.deb"))


def extract(archive: Path) -> None:
    """Put a package's files where they belong; tar is to keep the link /bin for a folder /bin."""
    command = 'dpkg-deb --fsys-tarfile "$1" | tar --extract --keep-directory-symlink --directory="$2"'
    run("sh", "-c", command, "sh", str(archive), str(TARGET))


def unpack_and_configure(archives: list[Path]) -> None:
    """Have the new system's own dpkg install all, and tell how far it is."""
    inner = [f"/{archive.relative_to(TARGET)}" for archive in archives]
    done = 0
    for argv in (["--unpack", *inner], ["--configure", "--pending"]):
        command = ["chroot", str(TARGET), "dpkg", *UNPACK, *argv]
        tail: list[str] = []
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout
            for line in process.stdout:
                tail = [*tail[-5:], line.strip()]
                if line.startswith(("Unpacking ", "Setting up ")):
                    done += 1
                    if done % 20 == 0:
                        say(f"Installing: {done} of {2 * len(archives)} steps")
        if process.returncode:
            raise InstallError(f"dpkg {argv[0]} ended with {process.returncode}: {' '.join(tail)}")
    inside("dpkg", "--audit")
