"""Debian packages made for a test, in a repository on the lab itself: a real apt that reaches for nothing."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from tests.lab.lab import Lab

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


def serve(lab: Lab, packages: Iterable[Package]) -> None:
    """Make these packages the only ones that the lab's apt can have."""
    lab.run(["mkdir", "-p", REPOSITORY])
    index = "\n".join(_build(lab, package) for package in packages)
    lab.path(f"{REPOSITORY}/Packages").write_text(index)
    use(lab, PACKAGES_URL)


def use(lab: Lab, url: str) -> None:
    """Have the lab's apt get packages from one flat repository, and forget what it knew of others."""
    lab.path("/etc/apt/sources.list").write_text(f"deb [trusted=yes] {url} ./\n")
    lab.run(["sh", "-c", "rm -rf /var/lib/apt/lists/* /etc/apt/sources.list.d/*"])


def _build(lab: Lab, package: Package) -> str:
    """Build one, and return its paragraph of the index (deb-control(5), and apt's own fields)."""
    folder, file = f"/tmp/{package.name}", f"{REPOSITORY}/{package.name}.deb"  # noqa: S108 (the lab's)
    lab.run(["mkdir", "-p", f"{folder}/DEBIAN", f"{folder}/opt/{package.name}"])
    lab.path(f"{folder}/opt/{package.name}/data").write_bytes(os.urandom(package.size))
    control = f"Package: {package.name}\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody\n"
    control += f"Depends: {package.depends}\n" if package.depends else ""
    control += "Description: made for a test\n"
    lab.path(f"{folder}/DEBIAN/control").write_text(control)
    if package.postinst:
        script = lab.path(f"{folder}/DEBIAN/postinst")
        script.write_text(f"#!/bin/sh\nset -e\n{package.postinst}\n")
        script.chmod(0o755)
    lab.run(["dpkg-deb", "--build", "--root-owner-group", "-Znone", folder, file])
    digest = lab.run(["sha256sum", file]).stdout.split()[0]
    size = lab.path(file).stat().st_size
    return f"{control}Filename: ./{package.name}.deb\nSize: {size}\nSHA256: {digest}\n"
