"""Debian packages made for a test, in a repository on the host itself: real apt, and nothing to reach for."""

from collections.abc import Iterable
from dataclasses import dataclass

import kvmkit as kk

REPOSITORY = "/srv/packages"
PACKAGES_URL = f"copy:{REPOSITORY}"
"""Not ``file:``, from which apt installs without a download."""


@dataclass(frozen=True)
class Package:
    """A package of one file, ``/opt/NAME/data``, of so many random bytes.

    Attributes
    ----------
    postinst
        Shell commands that run when it is configured.
    """

    name: str
    depends: str = ""
    size: int = 16
    postinst: str = ""


def serve(host: kk.Host, packages: Iterable[Package]) -> None:
    """Make a flat repository of these packages; it is not signed."""
    host.run(["mkdir", "-p", REPOSITORY])
    index = "\n".join(_build(host, package) for package in packages)
    write(host, f"{REPOSITORY}/Packages", index)


def use(host: kk.Host, url: str) -> None:
    """Have apt get packages from one flat repository alone, and forget what it knew of others."""
    write(host, "/etc/apt/sources.list", f"deb [trusted=yes] {url} ./\n")
    host.run(["sh", "-c", "rm -rf /var/lib/apt/lists/* /etc/apt/sources.list.d/*"])


def write(host: kk.Host, path: str, text: str) -> None:
    """Write a file on the host."""
    host.run(["tee", path], stdin=text)


def _build(host: kk.Host, package: Package) -> str:
    """Build one, and return its paragraph of the index (deb-control(5), and apt's own fields)."""
    file = f"{REPOSITORY}/{package.name}.deb"
    folder = host.run(["mktemp", "-d"]).stdout.strip()
    data = f"{folder}/opt/{package.name}"
    host.run(["mkdir", "-p", f"{folder}/DEBIAN", data])
    host.run(["sh", "-c", 'head -c "$1" /dev/urandom > "$2/data"', "sh", str(package.size), data])
    control = f"Package: {package.name}\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody\n"
    control += f"Depends: {package.depends}\n" if package.depends else ""
    control += "Description: made for a test\n"
    write(host, f"{folder}/DEBIAN/control", control)
    if package.postinst:
        write(host, f"{folder}/DEBIAN/postinst", f"#!/bin/sh\nset -e\n{package.postinst}\n")
        host.run(["chmod", "755", f"{folder}/DEBIAN/postinst"])
    host.run(["chmod", "755", folder])
    host.run(["dpkg-deb", "--build", "--root-owner-group", "-Znone", folder, file])
    host.run(["rm", "-r", folder])
    digest = host.run(["sha256sum", file]).stdout.split()[0]
    size = host.run(["stat", "-c", "%s", file]).stdout.strip()
    return f"{control}Filename: ./{package.name}.deb\nSize: {size}\nSHA256: {digest}\n"
