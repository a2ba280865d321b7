"""plan_image: an image or an ISO, looked at closely and put into a host's storage pool."""

from __future__ import annotations

import contextlib
import posixpath
import re
from collections.abc import Iterator
from typing import Annotated

import libvirt
from pydantic import AfterValidator, Field

from kvmkit.errors import BadSource, InvalidSpec, NotFound
from kvmkit.host import Host
from kvmkit.install.content import Image, inspect
from kvmkit.install.fetch import cached, digest, read_small, size_text
from kvmkit.install.transport import anybodys, folder_of, join, local_path, shown, url_problem
from kvmkit.install.tree import parse_sums
from kvmkit.install.upload import Upload, upload_volume
from kvmkit.journal import taken_up
from kvmkit.plan import Plan
from kvmkit.progress import Progress, telling
from kvmkit.spec import Spec, unshown
from kvmkit.vm.needs import Pool
from kvmkit.vm.uses import FILE_POOLS
from kvmkit.vm.xml import parse

__all__ = ["ImageSpec", "plan_image"]


def _url(value: str) -> str:
    if problem := url_problem(value):
        raise unshown(problem) if any(sign in value for sign in "@?#") else ValueError(problem)
    return value


class ImageSpec(Spec):
    """An image or an ISO that VMs are to be made from.

    Attributes
    ----------
    url : str
        Where it is: an http, https or ftp URL, or a path of this machine.
    sha256, sha512 : str
        Its checksum, as its publisher says; empty: as SHA256SUMS or the like beside it says, if it is there.
    pool : str
        The storage pool of the host that it is put into.
    name : str
        What it is called there; empty: as where it comes from.

    Raises
    ------
    InvalidSpec
        Naming each wrong field, its value and what was expected.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.ImageSpec(url="ftp://192.168.0.200/debian-12.qcow2").pool
    'default'
    >>> kk.ImageSpec(url="gopher://192.168.0.200/debian-12.qcow2")
    Traceback (most recent call last):
      ...
    kvmkit.errors.InvalidSpec: url: 'gopher://192.168.0.200/debian-12.qcow2': an http, https or ftp URL \
without blanks, or a path of this machine, which begins with '/'
    """

    url: Annotated[str, AfterValidator(_url)]
    sha256: Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{64})?$")] = ""
    sha512: Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{128})?$")] = ""
    pool: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")] = "default"
    name: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._+-]{0,127})?$")] = ""


def plan_image(host: Host, spec: ImageSpec, *, progress: Progress | None = None) -> Plan:
    """Plan to put an image or an ISO into a pool; the host is not changed.

    The file is fetched to this machine first, unless it is there already, and looked at: what it is by
    its content, whether it is whole, and that it leads to no other file.  What was fetched is kept under
    ``$XDG_CACHE_HOME/kvmkit/images``.

    Parameters
    ----------
    host
        Where it is put. On the practice host that is rehearsed: libvirt's test driver stores no content.
    spec
        What it is, and where it comes from.
    progress
        Told in a few words what is being fetched, and how far it is; for example ``print``.

    Returns
    -------
    Plan
        One volume is uploaded, through libvirt's own connection; undo deletes it. A VM gets it as
        ``VMSpec(image=...)`` or ``VMSpec(cdrom=...)``.

    Raises
    ------
    InvalidSpec
        The file can't be had, is not what it should be, or does not fit the host; says which.
    Busy
        Another process is fetching it.
    """
    name = spec.name or re.sub(r"[^\w.+-]", "_", folder_of(spec.url)[1], flags=re.ASCII).lstrip("._+-")[:128]
    title = f"image {name} in pool {spec.pool}"
    if begun := taken_up(host.uri, title):
        return begun
    pool = _pool(host, spec, name)
    with telling(progress):
        try:
            checksum, vouched = _checksum(spec)
            path = cached(spec.url, checksum)
            image = inspect(path, folder_of(spec.url)[1])
            sha256 = digest(path, "sha256")
            if spec.sha256 and sha256 != spec.sha256.lower():  # where both are given
                raise BadSource(f"{shown(spec.url)}: its sha256 checksum is {sha256}, not {spec.sha256}")
        except (BadSource, NotFound) as error:
            given = [field for field in ("sha256", "sha512") if getattr(spec, field)]
            field = next((field for field in given if f"its {field} checksum is" in str(error)), "url")
            raise InvalidSpec({field: f"{error}. Nothing was changed"}) from error
    if image.size > pool.free:
        free, wanted = size_text(pool.free), size_text(image.size)
        raise InvalidSpec({"pool": f"{spec.pool!r}: {free} are free, and {name} has {wanted}"})
    upload = Upload(
        spec.pool,
        name,
        f"{pool.path}/{name}",
        image.size,
        source=str(path.resolve()),
        sha256=sha256,
        format=image.format,
        capacity=image.capacity,
    )
    notes = tuple(_notes(spec, name, image, vouched))
    return Plan(uri=host.uri, title=title, steps=(upload_volume(upload),), notes=notes)


def _pool(host: Host, spec: ImageSpec, name: str) -> Pool:
    """Find the pool, and whether a volume of that name fits into it."""
    with host.reading("look at the storage pools") as connection:
        active = connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)
        found = {pool.name(): pool for pool in active}
        pool = found.get(spec.pool)
        if pool is None:
            names = ", ".join(sorted(found)) or "none"
            raise InvalidSpec({"pool": f"{spec.pool!r}: no such active pool; active are: {names}"})
        xml = parse(pool.XMLDesc())
        if xml.get("type") not in FILE_POOLS:
            raise InvalidSpec({"pool": f"{spec.pool!r}: a pool of type {xml.get('type')} holds no files"})
        if not name:
            raise InvalidSpec({"name": f"'': give one, as {shown(spec.url)} names no file"})
        if name in {volume.name() for volume in pool.listAllVolumes()}:
            taken = f"{name!r}: pool {spec.pool} has a volume of that name: use it, or take another name"
            raise InvalidSpec({"name": taken})
        _state, capacity, _allocation, free = pool.info()
        return Pool(xml.get("type"), posixpath.normpath(xml.findtext("target/path")), capacity, free)


def _checksum(spec: ImageSpec) -> tuple[str, str]:
    """Give the checksum that is to be found, and who says so."""
    if spec.sha512 or spec.sha256:
        checksum = f"sha512:{spec.sha512}" if spec.sha512 else f"sha256:{spec.sha256}"
        return checksum, "the checksum that was given"
    folder, name = folder_of(spec.url)
    for sums in ("SHA256SUMS", "SHA512SUMS", f"{name}.sha256", "CHECKSUM"):
        # Some servers say of what they don't have that it is forbidden.
        with contextlib.suppress(NotFound, BadSource):
            if found := parse_sums(read_small(join(folder, sums))).get(name):
                return found, f"{sums} beside it"
    return "", ""


def _notes(spec: ImageSpec, name: str, image: Image, vouched: str) -> Iterator[str]:
    capacity = f", {size_text(image.capacity)} for a guest" if image.capacity != image.size else ""
    yield f"{name} is {image.kind}, {size_text(image.size)}{capacity}"
    if vouched:
        yield f"verified by {vouched}"
    # A checksum that comes by the same open line shows that a file is whole, and not whose it is.
    if not (spec.sha256 or spec.sha512) and (anybodys(spec.url) or not (vouched or local_path(spec.url))):
        yield (
            f"WARNING: nothing vouches for it: whoever can change it at {shown(spec.url)}, or on the way, "
            "is root in every VM that is made from it; give its sha256, as its publisher says"
        )
    use = f"cdrom={name!r}" if image.kind == "iso" else f"image={name!r}"
    yield f"kk.VMSpec({use}) makes a VM from it"
