"""check_source: does what is to be installed answer, here and on the host, and what is in it."""

from __future__ import annotations

import re
import socket
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from kvmkit.errors import BadSource, InvalidSpec, NotFound
from kvmkit.framing import framed_script, split_sections
from kvmkit.host import Host
from kvmkit.install.content import HEAD, kind_of, problem_of
from kvmkit.install.fetch import MIB, first_bytes, look, size_text
from kvmkit.install.transport import (
    PORTS,
    SILENCE,
    folder_of,
    join,
    local_path,
    scrubbed,
    shown,
    url_problem,
    why,
)
from kvmkit.install.tree import TREEINFO, Tree, read_tree
from kvmkit.report import Check, Report, Status

__all__ = ["check_source"]

IMAGES = re.compile(r"\.(iso|img|qcow2|raw|xz|gz|bz2|zst|zip|vmdk|vhdx?|vdi)", re.IGNORECASE)
"""Endings by which one file is asked for, and not a tree; what it is, its content says."""
SLOW = 10.0
"""Seconds for a MiB; an installer fetches hundreds of them."""
HOST_SECONDS = 120
RUNS = {"x86_64": ("x86_64", "i686", "i586", "i386")}
"""What a host's processor runs beside its own architecture."""


def check_source(host: Host, url: str) -> Report:
    """Judge whether a VM on a host can be installed from a source.  It only reads.

    Parameters
    ----------
    host
        The host. It is asked by one command, which uses curl, wget or python3, whichever is there.
    url
        An install tree, an ISO or an image: an http, https or ftp URL, or a path of this machine.

    Returns
    -------
    Report
        As that of :func:`kvmkit.check_host`: from this machine the name, the port, the tree with its kernel
        and initrd, or the image, and how long a MiB takes; then whether the host's architecture fits, and
        the same from the host. SKIP: it could not be told, and why; on the practice host all that a host
        would be asked.

    Raises
    ------
    InvalidSpec
        That is no URL.
    HostUnavailable, CommandTimeout
        If the host itself cannot be asked.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.check_source(kk.connect("test:///default"), "/srv/none").ok
    False
    """
    if problem := url_problem(url):
        raise InvalidSpec({"url": problem})
    found, checks = _Found(), [*_way(url)]
    if any(check.status is Status.FAIL for check in checks):
        checks.append(Check("source", Status.SKIP, "its server was not reached"))
        found.file = url if _is_image(url) else join(url, TREEINFO[0])  # what the host is asked for
    else:
        checks += _judge_image(url, found) if _is_image(url) else _judge_tree(url, found)
        checks += [_judge_speed(found.file)] if found.file else []
    checks += _judge_from_host(host, url, found)
    return Report(f"source {shown(url)}", host.uri, checks)


@dataclass
class _Found:
    file: str = ""
    """A file of the source to measure with."""
    arch: str = ""


def _is_image(url: str) -> bool:
    path = local_path(url)
    return path.is_file() if path else bool(IMAGES.fullmatch(PurePosixPath(urlsplit(url).path).suffix))


def _way(url: str) -> Iterator[Check]:
    """Judge name and port; the latter connects, which shows the route, too."""
    parts = urlsplit(url)
    name, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    row = partial(Check, why="installers and VMs are fetched from there")
    proxy = urllib.request.getproxies().get(parts.scheme)
    if local_path(url):
        yield row("name", Status.SKIP, "on this machine")
        return
    if proxy and parts.scheme != "ftp" and not urllib.request.proxy_bypass(name):
        yield row("name", Status.SKIP, f"asked for by way of the proxy {shown(proxy)}")
        return
    try:
        found = sorted({str(info[4][0]) for info in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)})
    except OSError as error:
        fix = "look for a slip in the name, or for DNS: `getent hosts NAME`; or give an IP address"
        yield row("name", Status.FAIL, why(error, url), fix=fix)
        return
    yield row("name", Status.PASS, f"{name} is {', '.join(found)}")
    begin = time.monotonic()
    try:
        socket.create_connection((name, port), SILENCE).close()
    except OSError as error:
        fix = "see that the server runs, and that no firewall is between: try `ip route get ADDRESS`"
        yield row("port", Status.FAIL, why(error, url), fix=fix)
        return
    yield row("port", Status.PASS, f"port {port} answers in {(time.monotonic() - begin) * 1000:.0f} ms")


def _judge_tree(url: str, found: _Found) -> Iterator[Check]:
    row = partial(
        Check, "source", expected="an install tree, an ISO or an image", why="the VM is made from it"
    )
    try:
        tree = read_tree(url)
    except (BadSource, NotFound) as error:
        yield row(
            Status.FAIL, str(error), fix="open it in a browser, and give the folder with .treeinfo in it"
        )
        return
    found.arch = tree.arch
    yield row(
        Status.PASS, f"install tree: {tree}, by {'its layout' if tree.kind == 'debian' else '.treeinfo'}"
    )
    for name in ("kernel", "initrd"):
        check = _judge_file(tree, name)
        yield check
        if check.status is Status.PASS:
            found.file = tree.url(getattr(tree, name))


def _judge_file(tree: Tree, name: str) -> Check:
    path = getattr(tree, name)
    row = partial(Check, name, expected="a file of the tree", why="the VM boots it to be installed")
    try:
        size = look(tree.url(path)).size
    except (BadSource, NotFound) as error:
        return row(Status.FAIL, str(error), fix="the tree is not whole: mirror it again")
    if size == 0:
        return row(Status.FAIL, f"{path} is empty", fix="the tree is not whole: mirror it again")
    verified = ", with its checksum in the tree" * (path in tree.checksums)
    return row(Status.PASS, f"{path}, {size_text(size) if size > 0 else 'of unknown size'}{verified}")


def _judge_image(url: str, found: _Found) -> Iterator[Check]:
    row = partial(Check, "source", expected="qcow2, a raw disk or an ISO", why="the VM is made from it")
    try:
        seen, head = first_bytes(url, HEAD)
    except (BadSource, NotFound) as error:
        yield row(Status.FAIL, str(error), fix="look into the folder that it is in with a browser")
        return
    name = folder_of(url)[1]
    if problem := problem_of(head, name):
        yield row(Status.FAIL, f"{name} {problem}", fix="give a URL of an image itself")
        return
    found.file = url
    size = size_text(seen.size) if seen.size > 0 else "of unknown size"
    yield row(Status.PASS, f"{name} is {kind_of(head)}, {size}")


def _judge_speed(url: str) -> Check:
    begin = time.monotonic()
    try:
        _seen, data = first_bytes(url, MIB)
    except (BadSource, NotFound) as error:
        return Check("speed", Status.FAIL, str(error))
    return _speed("speed", len(data), time.monotonic() - begin)


def _speed(name: str, size: int, seconds: float) -> Check:
    row = partial(
        Check, name, expected=f"a MiB within {SLOW:g} s", why="an installer fetches hundreds of MiB"
    )
    per_mib = seconds * MIB / size if size else 0.0
    if per_mib > SLOW:
        return row(Status.WARN, f"a MiB takes {per_mib:.0f} s", fix="take a mirror that is nearer")
    return row(Status.PASS, f"a MiB takes {per_mib * 1000:.0f} ms")


def _judge_from_host(host: Host, url: str, found: _Found) -> Iterator[Check]:
    names = ["architecture"] * bool(found.arch) + ["from the host"]
    reason = ""
    if host.practice:
        reason = "the practice host runs no commands"
    elif local_path(url):
        reason = "it is on this machine: kvmkit uploads from there what the host needs"
        names = names[-1:]
    elif not found.file:
        reason = "there is nothing to ask it for"
    if reason:
        yield from (Check(name, Status.SKIP, reason) for name in names)
        return
    told = _ask(host, found.file)
    if found.arch:
        yield _judge_arch(found.arch, told["machine"])
    yield from _judge_answer(told, urlsplit(url).hostname or "")


def _ask(host: Host, url: str) -> dict[str, str]:
    words = [urlsplit(url).hostname or "", str(MIB), str(int(SILENCE))]
    argv = ["sh", "-c", framed_script("install/source.sh"), "sh", *words]
    told = split_sections(host.run(argv, stdin=f"{url}\n", timeout=HOST_SECONDS).stdout, where=host.uri)
    return {name: "".join(lines[:1]).strip() for name, lines in told.items()}


def _judge_arch(arch: str, machine: str) -> Check:
    row = partial(Check, "architecture", expected=f"one that the host runs: {machine}")
    if arch in RUNS.get(machine, (machine,)):
        return row(Status.PASS, f"the tree is for {arch}, the host is {machine}")
    found = f"the tree is for {arch}, and the host is {machine}"
    return row(Status.FAIL, found, why="its kernel does not start there", fix=f"take the tree for {machine}")


def _judge_answer(told: dict[str, str], name: str) -> Iterator[Check]:
    row = partial(
        Check, "from the host", why="the VM that is installed fetches from there, by way of the host"
    )
    tool = told["tool"]
    if tool == "none":
        yield row(Status.SKIP, "the host has neither curl, wget nor python3 to ask with")
        return
    size = int(told["bytes"])
    # Who has read enough breaks off, and curl and wget call that a failure.
    if told["exit"] != "0" and size < MIB:
        said = scrubbed(told["said"].removeprefix(f"{tool}: ")) or f"it ended with {told['exit']}"
        where = (
            f"{name} is {told['name']} there" if told["name"] else f"the name {name} does not resolve there"
        )
        fix = "mend it on the host: its DNS, route, firewall or proxy; here it answers or not by itself"
        yield row(Status.FAIL, f"{where}; {tool} says: {said}", fix=fix)
        return
    yield row(Status.PASS, f"{name} is {told['name']} there, and {tool} has it")
    yield _speed("speed from the host", size, int(told["milliseconds"]) / 1000)
