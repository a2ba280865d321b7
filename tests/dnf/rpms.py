"""RPM packages made for a test, and a repository of them, on the machine that is to install them."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from tests.lab.machine import Machine

REPOSITORY = "/srv/packages"
FILE_URL = f"file://{REPOSITORY}"
HTTP_URL = "http://127.0.0.1:8000"
"""The machine's own; it has a network of its own."""
SPEC = """Name: {package.name}
Version: {package.version}
Release: 1
Summary: made for a test
License: none
BuildArch: noarch
{package.header}
%description
%install
mkdir -p %{{buildroot}}/opt
echo {package.version} >%{{buildroot}}/opt/{package.name}
{post}
%files
/opt/{package.name}
"""


# In rpm's own language: by the shell's, a package would need one from the repository.
POST = "%post -p <lua>\nos.execute([[{package.post}]])"


@dataclass(frozen=True)
class Package:
    """A package of one file, ``/opt/NAME``, which holds its version.

    Attributes
    ----------
    header
        More of the spec file, such as ``Requires: base``.
    post
        Shell commands that run once it is installed.
    """

    name: str
    version: str = "1.0"
    header: str = ""
    post: str = ""


def add(machine: Machine, *packages: Package) -> None:
    """Build packages into the repository."""
    for package in packages:
        post = POST.format(package=package) if package.post else ""
        machine.path(f"/srv/{package.name}.spec").write_text(SPEC.format(package=package, post=post))
        folders = ["--define", "_topdir /srv/build", "--define", f"_rpmdir {REPOSITORY}"]
        machine.run(["rpmbuild", "--quiet", "-bb", *folders, f"/srv/{package.name}.spec"])
    machine.run(["createrepo_c", "--quiet", REPOSITORY])


def sign(machine: Machine) -> str:
    """Sign all packages with a new key; the URL of that."""
    machine.run(["gpg", "--batch", "--passphrase", "", "--quick-gen-key", "tests", "rsa2048"])
    machine.run(["sh", "-c", "gpg --armor --export tests >/srv/key"])
    packages = machine.run(["find", REPOSITORY, "-name", "*.rpm"]).stdout.split()
    gpg = ["--define", "_gpg_name tests", "--define", "__gpg /usr/bin/gpg"]
    machine.run(["rpmsign", *gpg, "--addsign", *packages])
    machine.run(["createrepo_c", "--quiet", REPOSITORY])
    return "file:///srv/key"


@contextlib.contextmanager
def served(machine: Machine) -> Iterator[None]:
    """Serve the repository over HTTP as well; the server ends with the machine at the latest."""
    server = ["python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", REPOSITORY, "8000"]
    with subprocess.Popen(
        machine.entering(server), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        # Serving HTTP on 127.0.0.1 port 8000 ...
        assert "8000" in process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()
