"""What an installer's kernel is told, and the virt-install line that does the same."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from kvmkit.install.answers.wanted import Static, static_address
from kvmkit.install.spec import InstallSpec

__all__ = ["SERIAL", "URL", "kernel_arguments", "kickstart_release", "virt_install_line"]

SERIAL = "console=ttyS0"
URL = "@answers@"
"""Where the URL of the answers goes, which is made when the installer is started."""
_CLONES = re.compile(r"red hat|rhel|centos|rocky|alma|oracle|scientific|springdale", re.IGNORECASE)


def kickstart_release(family: str, version: str) -> str:
    """Give pykickstart's name of a tree's release; empty if it has none.

    Examples
    --------
    >>> kickstart_release("Rocky Linux", "9.3"), kickstart_release("Fedora", "40")
    ('RHEL9', 'F40')
    """
    number = version.partition(".")[0]
    if not number.isdigit():
        return ""
    kind = "F" if "fedora" in family.lower() else "RHEL" if _CLONES.search(family) else ""
    return f"{kind}{number}" if kind else ""


def kernel_arguments(answers: str, delivery: str, release: str, install: InstallSpec) -> str:
    """Write them; anybody may see them, in the VM's XML and its /proc/cmdline: they hold no secret.

    Parameters
    ----------
    answers
        ``kickstart``, ``preseed`` or ``none``; of another kind of installer nothing is said.
    delivery
        ``initrd``, ``seed`` or ``http``.
    release
        Of a tree with ``.treeinfo``, as :func:`kickstart_release`; ``debian``, ``suse`` of theirs.
    install
        What is asked for, the host name included.
    """
    words = [*_source(release, install.location), *_answers(answers, delivery, release)]
    static = static_address(install.network)
    if release == "suse":
        words += _linuxrc(static) if static else []
    elif release != "debian":
        words += _dracut(static) if static else []
    elif answers == "preseed" and delivery == "http":
        words += _netcfg(static, install.hostname)
    if "console=" not in install.kernel_args:
        words.append(SERIAL)  # else nobody sees what it does
    return " ".join([*words, *install.kernel_args.split()])


def _old(release: str) -> bool:
    """Whether Anaconda's arguments have no prefix yet: before RHEL 7 and Fedora 17 (its boot-options)."""
    kind, number = release.rstrip("0123456789"), release.lstrip("RHELF")
    return bool(number) and int(number) < {"RHEL": 7, "F": 17}.get(kind, 0)


def _source(release: str, location: str) -> Iterator[str]:
    if release != "debian" and not location.startswith("/"):
        name = "install" if release == "suse" else "method" if _old(release) else "inst.repo"
        yield f"{name}={location}"


def _answers(answers: str, delivery: str, release: str) -> Iterator[str]:
    if answers == "preseed":
        # auto: questions wait until the answers are there; critical: no others are asked
        # (Debian's installation guide, appendix B.2).
        yield from ("auto=true", "priority=critical")
        # Lines of text, for whoever watches; on any other terminal it is in GNU screen, which has a clock.
        yield from ("DEBIAN_FRONTEND=text", "TERM=dumb")
        yield f"url={URL}" if delivery == "http" else "preseed/file=/preseed.cfg"
    elif answers == "kickstart":
        where = {"initrd": "file:/ks.cfg", "seed": "hd:LABEL=OEMDRV:/ks.cfg", "http": URL}[delivery]
        yield f"ks={where}" if _old(release) else f"inst.ks={where}"


def _dracut(static: Static) -> Iterator[str]:
    """Give the installer itself its address, by which it gets what it installs (dracut.cmdline(7))."""
    address = static.address
    mask = address.netmask if address.version == 4 else address.network.prefixlen
    parts = [f"[{part}]" if address.version == 6 else part for part in (str(address.ip), static.gateway)]
    yield f"ip={parts[0]}::{parts[1]}:{mask}:::none"
    yield from (f"nameserver={server}" for server in static.servers)


def _linuxrc(static: Static) -> Iterator[str]:
    """Give SUSE's installer its address (https://en.opensuse.org/SDB:Linuxrc, ifcfg)."""
    yield f'ifcfg="*={static.address},{static.gateway},{" ".join(static.servers)}"'


def _netcfg(static: Static | None, hostname: str) -> Iterator[str]:
    """Tell Debian's installer what it must know before it can ask for its answers, which say it too late.

    So the installation guide, appendix B.2.4. What has spaces is in quotes, which Linux takes away.
    """
    name, _, domain = hostname.partition(".")
    yield f"netcfg/hostname={name}"
    yield from [f"netcfg/get_domain={domain}"] * bool(domain)
    if static:
        yield "netcfg/disable_autoconfig=true"
        yield f"netcfg/get_ipaddress={static.address.ip}"
        yield f"netcfg/get_netmask={static.address.netmask}"
        yield f"netcfg/get_gateway={static.gateway}"
        yield f'netcfg/get_nameservers="{" ".join(static.servers)}"'
        yield "netcfg/confirm_static=true"


def virt_install_line(command: str, location: str, arguments: str, injected: list[str]) -> str:
    """Write virt-install's line for an installation from a tree.

    Parameters
    ----------
    command
        The line for the VM without it.
    location, arguments
        The tree, and what its kernel is told.
    injected
        The files that are put into its RAM disk.
    """
    words = [word for word in shlex.split(command) if word != "--import"]
    words += ["--location", location]
    for name in injected:
        words += ["--initrd-inject", name]
    return shlex.join([*words, "--extra-args", arguments])
